import { page } from "./layout.ts";

const styles = `
body { background: var(--card); }
.help { max-width: 480px; padding: 26px 28px; }
.help h1 { font-size: 22px; }
.help li { position: relative; margin-top: 8px; padding-left: 20px; color: var(--muted); font-size: 14.5px; }
.help li::before { position: absolute; left: 2px; top: .55em; width: 7px; height: 7px; border-radius: 50%; background: var(--brand-bright); content: ""; }
.help ul { margin-top: 12px; }
.help .button { margin-top: 18px; }
`;

const script = String.raw`
document.getElementById("close-help").addEventListener("click", () => window.close());
`;

export function helpPage(): string {
  return page({
    title: "Help",
    styles,
    script,
    body: `<main class="help">
<h1>No code yet?</h1>
<ul>
<li>Messages can take a minute to arrive.</li>
<li>Check that your phone has a signal.</li>
<li>A code works for one sign-in only.</li>
</ul>
<div class="field">
<label for="question">Your question</label>
<input id="question" name="question" placeholder="What can we help with?" autocomplete="off">
</div>
<button class="button light" type="button" id="close-help">Close help</button>
</main>`,
  });
}
