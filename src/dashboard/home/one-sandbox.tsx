import { Link } from "../components/link.tsx";
import { TopBar } from "../components/top-bar.tsx";
import { viewerPath } from "../lib/routes.ts";

/** `/` for who came by a link: there is nothing here but the way back. */
export function OneSandbox({ sandboxId }: { sandboxId: string }) {
  return (
    <>
      <TopBar />
      <main class="missing">
        <h1>Your link opens one sandbox</h1>
        <p>The list of all of them is for people who are signed in.</p>
        <Link href={viewerPath(sandboxId)} class="button primary">
          Go to <span class="mono">{sandboxId}</span>
        </Link>
      </main>
    </>
  );
}
