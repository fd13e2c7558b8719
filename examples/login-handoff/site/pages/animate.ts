import { page } from "./layout.ts";

const styles = `
html, body { height: 100%; overflow: hidden; background: #072827; }
canvas { position: fixed; inset: 0; width: 100%; height: 100%; }
#frame-counter { position: fixed; top: 24px; left: 24px; padding: 8px 18px; border-radius: 14px; background: #072827; color: var(--lime); font: 700 34px/1.3 var(--mono); }
`;

/** Every pixel region changes with every frame, which is the most work a screen capture can be given. */
const script = String.raw`
(() => {
  const canvas = document.getElementById("stage");
  const counter = document.getElementById("frame-counter");
  const context = canvas.getContext("2d", { alpha: false });
  let frame = 0;

  new ResizeObserver(() => {
    canvas.width = innerWidth;
    canvas.height = innerHeight;
  }).observe(document.documentElement);

  function draw() {
    requestAnimationFrame(draw);
    frame += 1;
    const { width, height } = canvas;
    const size = Math.max(width, height);
    context.fillStyle = "hsl(" + ((frame * 2) % 360) + " 45% 16%)";
    context.fillRect(0, 0, width, height);
    for (let index = 0; index < 14; index += 1) {
      const turn = frame * (0.012 + index * 0.0016) + index * 1.9;
      const x = width * (0.5 + 0.46 * Math.sin(turn));
      const y = height * (0.5 + 0.46 * Math.cos(turn * 1.31 + index));
      const radius = size * (0.07 + 0.05 * Math.sin(turn * 2.1));
      context.fillStyle = "hsl(" + ((frame * 3 + index * 27) % 360) + " 85% 60% / 82%)";
      context.beginPath();
      if (index % 3 === 0) {
        context.save();
        context.translate(x, y);
        context.rotate(turn * 2);
        context.rect(-radius, -radius, 2 * radius, 2 * radius);
        context.restore();
      } else {
        context.arc(x, y, radius, 0, 2 * Math.PI);
      }
      context.fill();
    }
    counter.textContent = String(frame).padStart(6, "0");
  }
  requestAnimationFrame(draw);
})();
`;

export function animatePage(): string {
  return page({
    title: "Animation",
    styles,
    script,
    body: `<canvas id="stage"></canvas><output id="frame-counter">000000</output>`,
  });
}
