import preactPreset from "@preact/preset-vite";
import { defineConfig, loadEnv } from "vite";

/** Builds the pages that the gateway serves; `vite` alone serves them with the API of a running gateway. */
export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, import.meta.dirname, "BATON_");
  const target = env["BATON_URL"] ?? "http://127.0.0.1:7070";
  return {
    root: "src/dashboard",
    base: "/",
    plugins: [preactPreset()],
    build: {
      outDir: "../../dist/dashboard",
      emptyOutDir: true,
      target: "es2022",
      // The gateway's content policy has no `data:` scripts or styles; files also cache better.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: {
      host: "127.0.0.1",
      proxy: {
        "/v1": { target, ws: true },
        "/healthz": { target },
      },
    },
  };
});
