import { Opening } from "./access/opening.tsx";
import { RefusedPage } from "./access/refused-page.tsx";
import { Link } from "./components/link.tsx";
import { Toasts } from "./components/toasts.tsx";
import { TopBar } from "./components/top-bar.tsx";
import { HomePage } from "./home/home-page.tsx";
import { OneSandbox } from "./home/one-sandbox.tsx";
import { TokenHome } from "./home/token-home.tsx";
import { sandboxOfLink } from "./lib/rights.ts";
import { grant, identity, refusal, rights } from "./state/connection.ts";
import { credential } from "./state/credential.ts";
import { route } from "./state/router.ts";
import { ViewerPage } from "./viewer/viewer-page.tsx";

export function App() {
  return (
    <>
      <Page />
      <Toasts />
    </>
  );
}

function Page() {
  const shown = route.value;
  if (refusal.value !== undefined) return <RefusedPage refusal={refusal.value} />;
  // Whose page it is decides what is on it.
  if (credential.value !== undefined && identity.value === undefined) return <Opening />;
  switch (shown.page) {
    case "home":
      return <Home />;
    case "viewer":
      return <ViewerPage key={shown.sandboxId} sandboxId={shown.sandboxId} embedded={shown.embedded} />;
    case "unknown":
      return (
        <>
          <TopBar />
          <main class="missing">
            <h1>There is no such page</h1>
            <p>Sandboxes live under /s/ followed by their id.</p>
            <Link href="/" class="button primary">
              All sandboxes
            </Link>
          </main>
        </>
      );
    default:
      return shown satisfies never;
  }
}

function Home() {
  const own = sandboxOfLink(grant.value);
  if (own !== undefined) return <OneSandbox sandboxId={own} />;
  if (grant.value !== undefined && !rights.value.lobby) return <TokenHome grant={grant.value} />;
  return <HomePage />;
}
