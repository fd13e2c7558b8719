import { Link } from "../components/link.tsx";

/** There is no sandbox to show. */
export function Missing({ reason }: { reason: string }) {
  return (
    <main class="missing">
      <h2>Nothing to show here</h2>
      <p>{reason}</p>
      <div class="missing-actions">
        <Link href="/" class="button primary">
          All sandboxes
        </Link>
        <button type="button" class="button" onClick={() => location.reload()}>
          Look again
        </button>
      </div>
    </main>
  );
}
