import { useEffect } from "preact/hooks";
import { EndsSoon } from "../access/ends-soon.tsx";
import { DegradedNotice } from "../components/degraded-notice.tsx";
import { Link } from "../components/link.tsx";
import { TopBar } from "../components/top-bar.tsx";
import { namedSandboxes } from "../lib/rights.ts";
import { viewerPath } from "../lib/routes.ts";
import type { Grant } from "../../sdk/api.ts";

/** `/` for those who may look at sandboxes but not at the list of them: those that their token names. */
export function TokenHome({ grant }: { grant: Grant }) {
  const { named, beginnings } = namedSandboxes(grant);
  useEffect(() => {
    document.title = "Baton";
  }, []);
  return (
    <div class="home">
      <TopBar />
      <DegradedNotice />
      <EndsSoon holds={false} />
      <main class="token-home">
        <h1>Sandboxes that you can watch</h1>
        {named.length > 0 && (
          <ul class="token-sandboxes" data-testid="token-sandboxes">
            {named.map((sandboxId) => (
              <li key={sandboxId}>
                <Link href={viewerPath(sandboxId)} class="mono">
                  {sandboxId}
                </Link>
              </li>
            ))}
          </ul>
        )}
        {beginnings.length > 0 && (
          <p class="hint-line">
            {named.length > 0 ? "And " : "Your token lets you watch "}
            {beginnings.includes("*")
              ? "every sandbox"
              : `those whose id begins with ${beginnings.map((scope) => scope.slice(0, -1)).join(" or ")}`}
            . Open one by its address: <code>/s/</code> and its id.
          </p>
        )}
      </main>
    </div>
  );
}
