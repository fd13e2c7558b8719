/** Styles that several pages share. Fonts are the machine's own. */
export const baseStyles = `
:root {
  --ink: #122321;
  --muted: #5a6b68;
  --line: #dfe4de;
  --paper: #f5f6f1;
  --card: #fff;
  --brand: #0b3b3a;
  --brand-bright: #0f6a62;
  --lime: #c9f26b;
  --danger: #b3261e;
  --radius: 18px;
  --shadow: 0 1px 2px rgb(18 35 33 / 5%), 0 12px 32px -18px rgb(18 35 33 / 22%);
  --sans: -apple-system, "Segoe UI", Roboto, Inter, Cantarell, Ubuntu, "Noto Sans", "DejaVu Sans Condensed", system-ui, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; min-height: 100vh; background: var(--paper); color: var(--ink); font: 15px/1.5 var(--sans); -webkit-font-smoothing: antialiased; }
h1, h2, p, ol, ul, dl, dd { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h1 { font-size: 32px; line-height: 1.15; letter-spacing: -0.025em; font-weight: 700; }
h2 { font-size: 16px; line-height: 1.3; letter-spacing: -0.01em; font-weight: 650; }
a { color: var(--brand-bright); text-underline-offset: 3px; }
.lead { text-wrap: pretty; margin-top: 10px; color: var(--muted); font-size: 15.5px; }
.muted { color: var(--muted); }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }

.brand { display: inline-flex; align-items: center; gap: 8px; color: inherit; font-size: 20px; font-weight: 700; letter-spacing: -0.03em; text-decoration: none; }
.brand svg { width: 32px; height: 32px; }
.brand svg, .brand span, button svg, button span { pointer-events: none; }

label { display: block; margin-bottom: 6px; font-size: 13.5px; font-weight: 600; }
input, textarea { width: 100%; padding: 13px 15px; border: 1.5px solid var(--line); border-radius: 12px; background: var(--card); color: inherit; font: inherit; font-size: 16px; transition: border-color .15s, box-shadow .15s; }
input::placeholder, textarea::placeholder { color: #94a19e; }
input:focus, textarea:focus { outline: none; border-color: var(--brand-bright); box-shadow: 0 0 0 4px rgb(15 106 98 / 14%); }
.field { margin-top: 18px; }
.button { display: inline-flex; align-items: center; justify-content: center; gap: 8px; width: 100%; min-height: 50px; padding: 0 22px; border: 0; border-radius: 12px; background: var(--brand); color: #fff; font: inherit; font-size: 16px; font-weight: 650; cursor: pointer; transition: background .15s, transform .1s; }
.button:hover { background: var(--brand-bright); }
.button:active { transform: translateY(1px); }
.button:disabled { background: #dbe5df; color: var(--muted); cursor: default; transform: none; }
.button.light { background: #e7ece6; color: var(--ink); }
.button.light:hover { background: #dae2da; }
:is(a, button, summary, [tabindex]):focus-visible { outline: 3px solid rgb(15 106 98 / 45%); outline-offset: 3px; }
.link { padding: 4px; border: 0; background: none; color: var(--brand-bright); font: inherit; font-weight: 600; text-decoration: underline; text-underline-offset: 3px; cursor: pointer; }
.error { margin-top: 18px; padding: 11px 14px; border-radius: 12px; background: #fcecea; color: var(--danger); font-size: 14.5px; font-weight: 600; }
.hint { display: flex; gap: 8px; align-items: center; margin-top: 22px; padding: 10px 14px; border: 1.5px dashed #c9d2c8; border-radius: 12px; color: var(--muted); font-size: 13.5px; }
.hint b { color: var(--ink); font-weight: 650; }

.split { display: grid; grid-template-columns: minmax(0, 46fr) minmax(0, 54fr); min-height: 100vh; }
.panel { position: relative; display: flex; flex-direction: column; justify-content: space-between; overflow: hidden; padding: 40px 48px; background: radial-gradient(130% 90% at 10% 0%, #14605a 0%, var(--brand) 48%, #072827 100%); color: #f3f7ee; }
.panel > :not(.wind) { position: relative; }
.panel .brand { align-self: flex-start; color: var(--lime); }
.panel .brand span { color: #fff; }
.headline { margin: auto 0 20px; max-width: 11.5em; font-size: clamp(32px, 3.7vw, 48px); line-height: 1.08; letter-spacing: -0.035em; font-weight: 700; }
.small { color: #a9c4bb; font-size: 13.5px; }
.wind { -webkit-mask: linear-gradient(#000 55%, transparent 76%); mask: linear-gradient(#000 55%, transparent 76%); position: absolute; inset: 0; width: 100%; height: 100%; fill: none; stroke: #6fb0a1; stroke-opacity: .2; stroke-width: 1.4; }
.wind .lit { stroke: var(--lime); stroke-opacity: .6; stroke-width: 2; }
.step { display: flex; align-items: center; justify-content: center; padding: 32px 24px; }
.step-inner { width: 100%; max-width: 400px; }
.steps { display: flex; gap: 20px; margin-bottom: 40px; color: var(--muted); font-size: 13.5px; }
.steps li { display: flex; align-items: center; gap: 8px; }
.steps i { display: grid; place-items: center; width: 24px; height: 24px; border-radius: 50%; background: #e5eae3; font-size: 12.5px; font-style: normal; font-weight: 650; }
.steps .current { color: var(--ink); font-weight: 650; }
.steps .current i { background: var(--lime); }
.steps .done i { background: var(--brand); color: var(--lime); }
.check { width: 14px; height: 14px; }

@media (max-width: 820px) {
  .split { grid-template-columns: minmax(0, 1fr); grid-template-rows: auto 1fr; }
  .panel { padding: 22px 24px 26px; gap: 28px; }
  .panel .small { display: none; }
  .headline { margin: 0; font-size: 27px; }
  .wind { top: -40%; height: 200%; -webkit-mask: none; mask: none; }
  .wind .lit { stroke-opacity: .3; }
  .step { align-items: flex-start; padding: 30px 24px 40px; }
  .steps { margin-bottom: 28px; }
  h1 { font-size: 28px; }
}
`;
