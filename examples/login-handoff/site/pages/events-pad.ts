import { page } from "./layout.ts";

const styles = `
body { display: flex; flex-direction: column; gap: 16px; height: 100vh; padding: 24px; }
.area { position: relative; flex: 1; display: grid; place-items: center; overflow: hidden; border: 2px dashed #b9c5bd; border-radius: var(--radius); background: radial-gradient(#cfd8cf 1.2px, transparent 1.4px) 0 0 / 22px 22px, var(--card); color: var(--muted); cursor: crosshair; }
.area:focus { border-style: solid; border-color: var(--brand-bright); outline: none; }
.area > * { pointer-events: none; }
.dot { position: fixed; left: -40px; top: -40px; width: 24px; height: 24px; margin: -12px 0 0 -12px; border: 3px solid var(--brand-bright); border-radius: 50%; background: rgb(201 242 107 / 60%); pointer-events: none; }
.dot.pressed { background: var(--brand-bright); }
#pad { height: 140px; resize: none; }
#last-event { min-height: 46px; padding: 11px 16px; overflow: hidden; border-radius: 12px; background: var(--brand); color: var(--lime); font: 600 14px/24px var(--mono); text-overflow: ellipsis; white-space: nowrap; }
`;

const script = String.raw`
(() => {
  const output = document.getElementById("last-event");
  const dot = document.getElementById("dot");
  window.__onRecorded = (event) => {
    const shown = [event.type, event.target];
    if (event.x !== undefined) shown.push(Math.round(event.x) + "," + Math.round(event.y));
    if (event.buttons !== undefined) shown.push("buttons " + event.buttons);
    if (event.key !== undefined) shown.push(event.key);
    if (event.inputType !== undefined) shown.push(event.inputType);
    output.textContent = shown.join("  ");
    if (event.x === undefined) return;
    dot.style.left = event.x + "px";
    dot.style.top = event.y + "px";
    dot.classList.toggle("pressed", event.buttons > 0);
  };
})();
`;

export function eventsPadPage(): string {
  return page({
    title: "Events pad",
    styles,
    script,
    body: `<div class="area" id="area" tabindex="0"><span>Click, drag, scroll and type here</span></div>
<textarea id="pad" aria-label="Pad" placeholder="Or type here" spellcheck="false"></textarea>
<output id="last-event">No event yet</output>
<div class="dot" id="dot"></div>`,
  });
}
