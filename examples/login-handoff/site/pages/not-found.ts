import { brandLink, page } from "./layout.ts";

const styles = `
.lost { display: grid; place-content: center; justify-items: start; gap: 14px; min-height: 100vh; padding: 24px; }
.lost .brand { margin-bottom: 14px; color: var(--brand); }
`;

export function notFoundPage(): string {
  return page({
    title: "Not found",
    styles,
    body: `<main class="lost">
${brandLink("/")}
<h1>The wind blew this page away.</h1>
<p class="lead">There is nothing at this address. <a href="/">Go to the start page</a></p>
</main>`,
  });
}
