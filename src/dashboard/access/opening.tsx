import { TopBar } from "../components/top-bar.tsx";

/** The gateway has not said yet whom it takes this page for. */
export function Opening() {
  return (
    <>
      <TopBar />
      <main class="missing" data-testid="opening">
        <span class="spinner" aria-hidden="true" />
        <p role="status">Signing in…</p>
      </main>
    </>
  );
}
