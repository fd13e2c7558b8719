import { recorderScript } from "./recorder.ts";
import { baseStyles } from "./styles.ts";

export interface PageParts {
  readonly title: string;
  /** HTML of the body; every value from outside must have gone through `escapeHtml`. */
  readonly body: string;
  readonly styles?: string;
  /** Script text that runs after the body is parsed. */
  readonly script?: string;
}

/** A whole document. It needs no other request: styles, scripts and icon are inline. */
export function page({ title, body, styles = "", script }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Northwind Bank</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<script>${recorderScript}</script>
<style>${baseStyles}${styles}</style>
</head>
<body>
${body}
${script === undefined ? "" : `<script>${script}</script>`}
</body>
</html>
`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

const markPaths = `<path d="M4 10.5h13a3.5 3.5 0 1 0-3.3-4.7"/><path d="M4 16h20a4 4 0 1 1-3.8 5.3"/><path d="M4 21.5h9.5a3 3 0 1 1-2.8 4"/>`;

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#0b3b3a"/><g fill="none" stroke="#c9f26b" stroke-width="2.6" stroke-linecap="round" transform="translate(2.5 0)">${markPaths}</g></svg>`;

/** The brand's mark with its name, as a link. */
export function brandLink(href: "/" | "/account"): string {
  return `<a class="brand" href="${href}" id="brand"><svg viewBox="0 0 32 32" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" transform="translate(2 0)">${markPaths}</g></svg><span>Northwind</span></a>`;
}

const steps = ["Sign in", "Verify", "Confirm"] as const;

export interface StepParts {
  readonly title: string;
  readonly step: (typeof steps)[number];
  /** The large line on the dark panel. */
  readonly headline: string;
  readonly main: string;
  readonly styles?: string;
  readonly script?: string;
}

/** The split screen of the three sign-in steps: the brand's panel beside the step's form. */
export function stepPage({ title, step, headline, main, styles = "", script }: StepParts): string {
  const current = steps.indexOf(step);
  const stepList = steps
    .map((name, index) => {
      const state = index < current ? "done" : index === current ? "current" : "ahead";
      const mark = state === "done" ? check : String(index + 1);
      return `<li class="${state}"${state === "current" ? ' aria-current="step"' : ""}><i>${mark}</i>${name}</li>`;
    })
    .join("");
  const body = `<div class="split">
<aside class="panel">
${windLines}
${brandLink("/")}
<p class="headline">${headline}</p>
<p class="small">A made-up bank for demonstrations. No real money here.</p>
</aside>
<main class="step">
<div class="step-inner">
<ol class="steps" aria-label="Progress">${stepList}</ol>
${main}
</div>
</main>
</div>`;
  return page({ title, body, styles, ...(script !== undefined && { script }) });
}

export const check = `<svg class="check" viewBox="0 0 16 16" aria-hidden="true"><path d="m3.5 8.5 3 3 6-7" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>`;

/** A message about what the person typed, or nothing. */
export function errorNote(message: string | undefined): string {
  return message === undefined ? "" : `<p class="error" id="error" role="alert">${escapeHtml(message)}</p>`;
}

const windLines = drawWindLines();

function drawWindLines(): string {
  const lines: string[] = [];
  for (let index = 0; index < 22; index += 1) {
    const points: string[] = [];
    for (let x = -20; x <= 820; x += 28) {
      const swell = Math.sin(x / 150 + index * 0.21) * (34 + index * 1.4);
      const ripple = Math.sin(x / 61 - index * 0.37) * 9;
      points.push(`${x} ${(150 + index * 25 + swell + ripple).toFixed(1)}`);
    }
    const lit = index === 6 || index === 13;
    lines.push(`<polyline points="${points.join(" ")}"${lit ? ' class="lit"' : ""}/>`);
  }
  return `<svg class="wind" viewBox="0 0 800 800" preserveAspectRatio="xMidYMid slice" aria-hidden="true">${lines.join("")}</svg>`;
}
