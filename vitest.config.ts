import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Forks, not threads: several suites start browsers and sockets, and a crash must name the file that caused it.
    pool: "forks",
    // Long enough for a cold Chromium on a busy machine; a test that waits for an event fails here when it never comes.
    testTimeout: 20_000,
    hookTimeout: 30_000,
    retry: 0,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
