import { errorNote, stepPage } from "./layout.ts";

export interface RobotCheckView {
  readonly error?: string;
}

const styles = `
.scene { display: block; width: 100%; margin-top: 26px; border-radius: var(--radius); background: linear-gradient(#d9efe6, #f4f3dd); }
.scene .boat { transform: translateX(calc(var(--progress, 0) * 262px)); }
.track { position: relative; height: 60px; margin-top: 16px; border-radius: 16px; background: #e4eae2; user-select: none; -webkit-user-select: none; }
.track span { position: absolute; inset: 0; display: grid; place-items: center; padding-left: 56px; color: var(--muted); font-size: 14.5px; font-weight: 600; pointer-events: none; opacity: calc(1 - 2 * var(--progress, 0)); }
.track .fill { position: absolute; inset: 0 auto 0 0; width: calc(60px + var(--progress, 0) * (100% - 60px)); border-radius: 16px; background: var(--lime); opacity: min(1, calc(var(--progress, 0) * 8)); pointer-events: none; }
.handle { position: absolute; top: 4px; left: calc(4px + var(--progress, 0) * (100% - 60px)); display: grid; place-items: center; width: 52px; height: 52px; padding: 0; border: 0; border-radius: 13px; background: var(--brand); color: var(--lime); cursor: grab; touch-action: none; }
.handle:active { cursor: grabbing; }
.handle svg { width: 24px; height: 24px; }
.springs-back { transition: --progress .25s ease-out; }
#slider-status { min-height: 1.5em; margin-top: 14px; color: var(--muted); font-size: 14.5px; }
@property --progress { syntax: "<number>"; inherits: true; initial-value: 0; }
`;

const script = String.raw`
(() => {
  const puzzle = document.getElementById("puzzle");
  const track = document.getElementById("slider-track");
  const handle = document.getElementById("slider-handle");
  const status = document.getElementById("slider-status");
  const form = document.getElementById("robot-form");
  const letGo = "The button was let go on the way. Hold it until the boat is home.";
  let drag;

  const span = () => track.clientWidth - handle.offsetWidth - 8;
  const show = (progress) => {
    puzzle.style.setProperty("--progress", String(progress));
    handle.setAttribute("aria-valuenow", String(Math.round(progress * 100)));
  };
  const giveUp = (message) => {
    drag = undefined;
    puzzle.classList.add("springs-back");
    show(0);
    status.textContent = message;
  };

  handle.addEventListener("pointerdown", (event) => {
    if (!event.isTrusted || event.button !== 0 || form.dataset.sent) return;
    puzzle.classList.remove("springs-back");
    handle.setPointerCapture(event.pointerId);
    drag = { pointerId: event.pointerId, startX: event.clientX, moves: 0, progress: 0 };
    status.textContent = "Keep holding…";
  });
  handle.addEventListener("pointermove", (event) => {
    if (!drag || !event.isTrusted || event.pointerId !== drag.pointerId) return;
    if ((event.buttons & 1) === 0) {
      giveUp(letGo);
      return;
    }
    drag.moves += 1;
    drag.progress = Math.min(1, Math.max(0, (event.clientX - drag.startX) / span()));
    show(drag.progress);
  });
  handle.addEventListener("pointerup", (event) => {
    if (!drag || !event.isTrusted || event.pointerId !== drag.pointerId) return;
    const { moves, progress } = drag;
    if (progress < 0.97) {
      giveUp("Not quite there. Drag the handle all the way to the right.");
    } else if (moves < 2) {
      giveUp("That was a jump. Drag the handle along the track.");
    } else {
      drag = undefined;
      show(1);
      status.textContent = "Thank you. Opening your account…";
      form.dataset.sent = "yes";
      form.elements.moves.value = String(moves);
      form.submit();
    }
  });
  handle.addEventListener("pointercancel", () => {
    if (drag) giveUp("The drag was interrupted. Please try again.");
  });
  // A move that claims no button is down ends the capture without a pointerup.
  handle.addEventListener("lostpointercapture", () => {
    if (drag) giveUp(letGo);
  });
})();
`;

const scene = `<svg class="scene" viewBox="0 0 400 170" aria-hidden="true">
<circle cx="96" cy="52" r="22" fill="#fff" opacity=".85"/>
<path d="M0 112c40-26 78-26 118-4s84 16 124-6 104-22 158 6v62H0z" fill="#a9cfc2"/>
<g fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round" opacity=".8"><path d="M150 42h58a9 9 0 1 0-8-13"/><path d="M170 56h76a8 8 0 1 1-7 12"/></g>
<g><path d="m347 130 7-76h18l7 76z" fill="#fff"/><path d="m349.5 104 1.8-19h23.400l1.8 19z" fill="#d9553f"/><path d="M353 54h20v-12h-20z" fill="#0b3b3a"/><path d="M357 51h12v-7h-12z" fill="#c9f26b"/><path d="m350 42 13-11 13 11z" fill="#d9553f"/><path d="M326 136c6-10 22-13 37-13s31 3 37 12v12h-74z" fill="#5d7a6f"/></g>
<g class="boat"><path d="M24 128h46c-2 9-8 15-15 15H38c-7 0-13-6-14-15z" fill="#0b3b3a"/><path d="M48 124V74c14 12 21 28 22 46z" fill="#fff"/><path d="M45 124V84c-10 10-16 22-17 36z" fill="#c9f26b"/></g>
<path d="M0 141q12.5-8 25 0t25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0 25 0v29H0z" fill="#14605a"/>
</svg>`;

export function robotCheckPage({ error }: RobotCheckView = {}): string {
  return stepPage({
    title: "Confirm you are a person",
    step: "Confirm",
    headline: "Last check. Bring the boat home.",
    styles,
    script,
    main: `<h1>Are you a person?</h1>
<p class="lead">Slide to confirm you are a person: sail the boat to the lighthouse.</p>
${errorNote(error)}
<div id="puzzle">
${scene}
<div class="track" id="slider-track"><div class="fill"></div><span>Hold and drag to the right</span>
<button class="handle" type="button" id="slider-handle" role="slider" aria-label="Drag to the right" aria-valuemin="0" aria-valuemax="100" aria-valuenow="0"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="m6 6 6 6-6 6m7-12 6 6-6 6" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/></svg></button>
</div>
<p id="slider-status" role="status"></p>
</div>
<form method="post" action="/robot-check" id="robot-form"><input type="hidden" name="moves" value=""></form>`,
  });
}
