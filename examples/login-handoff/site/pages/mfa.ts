import { errorNote, escapeHtml, stepPage } from "./layout.ts";

export interface MfaView {
  readonly code: string;
  readonly error?: string;
}

const styles = `
/* Six cells as wide as the form. The field is wider than it shows, so that the space after the last digit never scrolls it. */
.code-field { container-type: inline-size; overflow: clip; overflow-clip-margin: 2px; }
#code { --cell: calc((100cqw + 12px) / 6); --inset: calc((var(--cell) - 12px - 1ch) / 2); width: calc(100cqw + 3ch); padding: 10px 0 14px var(--inset); border: 0; border-radius: 0; background: repeating-linear-gradient(90deg, var(--ink) 0 calc(var(--cell) - 12px), transparent calc(var(--cell) - 12px) var(--cell)) 0 100% / 100cqw 3px no-repeat; font: 600 34px/1.2 var(--mono); letter-spacing: calc(var(--cell) - 1ch); }
#code:focus { box-shadow: none; background-image: repeating-linear-gradient(90deg, var(--brand-bright) 0 calc(var(--cell) - 12px), transparent calc(var(--cell) - 12px) var(--cell)); }
.after { display: flex; justify-content: space-between; align-items: center; margin-top: 16px; color: var(--muted); font-size: 14px; }
`;

const script = String.raw`
document.getElementById("open-help").addEventListener("click", () => {
  window.open("/help", "northwind-help", "width=480,height=420");
});
`;

export function mfaPage({ code, error }: MfaView): string {
  return stepPage({
    title: "Enter your code",
    step: "Verify",
    headline: "One more step, and only you can take it.",
    styles,
    script,
    main: `<h1>Check your phone</h1>
<p class="lead">We sent a code to your phone ending in 42. It has six digits.</p>
<form method="post" action="/mfa" id="mfa-form" novalidate>
${errorNote(error)}
<div class="field code-field">
<label for="code">Security code</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="6" autofocus>
</div>
<div class="field"><button class="button" id="verify">Verify</button></div>
</form>
<p class="after"><span>No message yet?</span><button class="link" type="button" id="open-help">Help</button></p>
<p class="hint"><span>Demo: the code is <b class="number">${escapeHtml(code)}</b></span></p>`,
  });
}
