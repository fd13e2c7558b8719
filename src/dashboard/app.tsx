import { Link } from "./components/link.tsx";
import { Toasts } from "./components/toasts.tsx";
import { TopBar } from "./components/top-bar.tsx";
import { HomePage } from "./home/home-page.tsx";
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
  switch (shown.page) {
    case "home":
      return <HomePage />;
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
