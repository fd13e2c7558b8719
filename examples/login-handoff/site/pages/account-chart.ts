/** Draws a line that flows on with every animation frame, so that a capture of the page always has something new. */
export const chartScript = String.raw`
(() => {
  const canvas = document.getElementById("live-chart");
  const context = canvas.getContext("2d");
  const secondsShown = 12;
  let width = 0;
  let height = 0;

  const valueAt = (t) =>
    0.5 + 0.2 * Math.sin(t * 0.9) + 0.12 * Math.sin(t * 2.3 + 1) + 0.06 * Math.sin(t * 5.1) + 0.025 * Math.sin(t * 11.7 + 2);

  new ResizeObserver(() => {
    const scale = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
  }).observe(canvas);

  function draw(now) {
    requestAnimationFrame(draw);
    const seconds = now / 1000;
    const head = width - 66;
    const perSecond = head / secondsShown;
    const yOf = (value) => 14 + (1 - value) * (height - 28);
    context.clearRect(0, 0, width, height);

    context.strokeStyle = "rgb(201 242 107 / 12%)";
    context.lineWidth = 1;
    context.beginPath();
    for (let tick = Math.ceil(seconds - secondsShown); tick <= seconds; tick += 1) {
      const x = Math.round(head - (seconds - tick) * perSecond) + 0.5;
      context.moveTo(x, 8);
      context.lineTo(x, height - 8);
    }
    context.stroke();

    context.beginPath();
    for (let x = 0; x <= head; x += 3) context.lineTo(x, yOf(valueAt(seconds - (head - x) / perSecond)));
    const y = yOf(valueAt(seconds));
    context.lineTo(head, y);
    context.strokeStyle = "#c9f26b";
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(head, height);
    context.lineTo(0, height);
    const fill = context.createLinearGradient(0, 0, 0, height);
    fill.addColorStop(0, "rgb(201 242 107 / 34%)");
    fill.addColorStop(1, "rgb(201 242 107 / 0%)");
    context.fillStyle = fill;
    context.fill();

    const pulse = (seconds % 1.4) / 1.4;
    context.beginPath();
    context.arc(head, y, 5 + pulse * 12, 0, 2 * Math.PI);
    context.fillStyle = "rgb(201 242 107 / " + (35 * (1 - pulse)).toFixed(0) + "%)";
    context.fill();
    context.beginPath();
    context.arc(head, y, 5, 0, 2 * Math.PI);
    context.fillStyle = "#c9f26b";
    context.fill();
    context.fillStyle = "#f3f7ee";
    context.font = "600 13px " + getComputedStyle(canvas).fontFamily;
    context.fillText((2 + valueAt(seconds)).toFixed(3) + " %", head + 13, y + 4.5);
  }
  requestAnimationFrame(draw);
})();
`;
