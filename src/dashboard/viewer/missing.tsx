import { Link } from "../components/link.tsx";
import { sandboxOfLink } from "../lib/rights.ts";
import { viewerPath } from "../lib/routes.ts";
import { grant } from "../state/connection.ts";

/** There is no sandbox to show. */
export function Missing({ reason }: { reason: string }) {
  const own = sandboxOfLink(grant.value);
  return (
    <main class="missing">
      <h2>Nothing to show here</h2>
      <p>{reason}</p>
      <div class="missing-actions">
        <Link href={own === undefined ? "/" : viewerPath(own)} class="button primary">
          {own === undefined ? "All sandboxes" : "The sandbox of my link"}
        </Link>
        <button type="button" class="button" onClick={() => location.reload()}>
          Look again
        </button>
      </div>
    </main>
  );
}
