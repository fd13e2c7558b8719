/** The recording site's pages. Everything that a person clicks has a fixed place. */

/** Left upper corners, CSS pixels; each thing is `SIZE` wide and high. */
const PLACES = {
  /** Text fields. */
  name: [20, 20],
  other: [20, 60],
  /** Buttons that do nothing; the agent's and the person's. */
  one: [220, 20],
  two: [220, 60],
  /** Opens `/popup`. */
  open: [220, 100],
  /** Opens a confirm box and shows its answer in `said`. */
  ask: [220, 140],
  /** Opens a file chooser. */
  choose: [220, 180],
  /** Fetches `/data` and shows it in `got`. */
  fetch: [220, 220],
  /** Removes the frame. */
  drop: [220, 260],
  /** Goes to `/after`. */
  leave: [220, 300],
  /** Closes the tab. */
  close: [220, 340],
  /** Takes any press. */
  knob: [20, 300],
  /** Can be dragged, onto the zone. */
  card: [20, 340],
  zone: [20, 400],
  /** On `/vault`: takes what is in the fields everywhere; cleans it up and leaves; cleans it up and stays. */
  spread: [420, 20],
  clean: [420, 60],
  tidy: [420, 100],
} as const;

const [WIDTH, HEIGHT] = [160, 30];

export type Place = keyof typeof PLACES;

/** Middle of a thing. */
export function at(place: Place): { readonly x: number; readonly y: number } {
  const [left, top] = PLACES[place];
  return { x: left + WIDTH / 2, y: top + HEIGHT / 2 };
}

/** What one click there puts on record, without the move: `did` is the page's own handler. */
export function clicked(page: string, place: Place): string[] {
  return ["mousedown", "mouseup", "click", "did"].map((event) => `${page} ${event} ${place}`);
}

/** What a click puts on record that comes from elsewhere. */
export function movedAndClicked(page: string, place: Place): string[] {
  const { x, y } = at(place);
  return [`${page} mousemove ${x},${y}`, ...clicked(page, place)];
}

/** What typing letters puts on record. @param before what the field holds already */
export function typed(page: string, place: Place, text: string, before = ""): string[] {
  return text
    .split("")
    .flatMap((letter, index) => [
      `${page} keydown ${place} ${letter}`,
      `${page} input ${place} ${before}${text.slice(0, index + 1)}`,
      `${page} keyup ${place} ${letter}`,
    ]);
}

const RECORDER = `
const tell = (line) => {
  const request = new XMLHttpRequest();
  request.open("POST", "/record", false);
  try { request.send(location.pathname + " " + line); } catch {}
};
let moved = "";
for (const name of ["mousemove", "mousedown", "mouseup", "click", "dblclick", "contextmenu", "wheel", "touchstart",
  "touchend", "touchcancel", "keydown", "keyup", "input", "submit", "dragstart", "drop", "dragend", "paste",
  "resize", "cancel"]) {
  addEventListener(name, (event) => {
    if (!event.isTrusted) return;
    const target = event.composedPath()[0];
    const on = target === window ? "window" : target.id || target.nodeName.toLowerCase();
    const detail = name === "mousemove" ? event.clientX + "," + event.clientY
      : event instanceof KeyboardEvent ? on + " " + event.key
      : name === "input" ? on + " " + target.value
      : name === "resize" ? innerWidth + "x" + innerHeight : on;
    // One move may be told twice, for the layout under it.
    const line = name + " " + detail;
    if (name === "mousemove" && line === moved) return;
    moved = name === "mousemove" ? line : "";
    tell(line);
  }, { capture: true, passive: true });
}
// Not reached when somebody stops the event on its way.
document.addEventListener("click", (event) => { if (event.isTrusted) tell("did " + (event.target.id || event.target.nodeName.toLowerCase())); });`;

const style = (place: Place): string => {
  const [left, top] = PLACES[place];
  return `position: fixed; left: ${left}px; top: ${top}px; width: ${WIDTH}px; height: ${HEIGHT}px; box-sizing: border-box; margin: 0`;
};
const field = (place: Place): string => `<input id="${place}" style="${style(place)}">`;
const button = (place: Place): string => `<button id="${place}" style="${style(place)}">${place}</button>`;

function page(title: string, body: string, script = ""): string {
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,">
<script>${RECORDER}</script><body>${body}<script>${script}</script>`;
}

const DESK = page(
  "desk",
  `${field("name")}${field("other")}${button("one")}${button("two")}${button("open")}${button("ask")}
${button("choose")}${button("fetch")}${button("drop")}${button("leave")}
<div id="knob" style="${style("knob")}; background: gold"></div>
<div id="card" draggable="true" style="${style("card")}; background: pink"></div>
<div id="zone" style="${style("zone")}; background: silver"></div>
<input id="file" type="file" hidden><p id="said"></p><p id="got"></p>
<iframe id="frame" name="frame" src="/frame" style="position: fixed; left: 420px; top: 200px; width: 200px; height: 100px"></iframe>`,
  `const by = (id) => document.getElementById(id);
by("open").onclick = () => window.open("/popup");
by("ask").onclick = () => { by("said").textContent = String(confirm("really?")); };
by("choose").onclick = () => by("file").click();
by("fetch").onclick = async () => { by("got").textContent = await (await fetch("/data")).text(); tell("got data"); };
by("drop").onclick = () => by("frame").remove();
by("leave").onclick = () => { location.href = "/after"; };
card.ondragstart = (event) => event.dataTransfer.setData("text/plain", "the card");
zone.ondragover = (event) => event.preventDefault();
zone.ondrop = (event) => { event.preventDefault(); tell("dropped " + event.dataTransfer.getData("text/plain")); };
tell("runs");`,
);

const POPUP = page(
  "popup",
  `${button("two")}${button("close")}<p id="text">popped</p>`,
  `document.getElementById("close").onclick = () => window.close(); tell("runs");`,
);

/** What the page does with a secret: it shows, keeps, sends and says it, wherever a page can. */
const VAULT = page(
  "vault",
  // The page that she leaves would go on saying where she came from.
  `<meta name="referrer" content="no-referrer">${field("name")}${field("other")}${button("spread")}${button("clean")}${button("tidy")}<p id="text"></p>
<iframe id="near" src="/frame"></iframe><iframe id="far" src="OTHER_URL/frame"></iframe>`,
  `const by = (id) => document.getElementById(id);
const worker = new Worker("/worker.js");
const heard = new Promise((resolve) => { worker.onmessage = resolve; });
by("spread").onclick = async () => {
  const secret = by("name").value + "." + by("other").value;
  document.cookie = "secret=" + secret;
  document.title = by("text").textContent = secret;
  window.later?.(secret);
  console.log("page", secret, { secret });
  setTimeout(() => { throw new Error(secret); });
  for (const { contentWindow } of document.querySelectorAll("iframe")) contentWindow.postMessage(secret, "*");
  worker.postMessage(secret);
  history.pushState(null, "", "?" + secret);
  sessionStorage.setItem("secret", secret);
  const socket = new WebSocket("ws://" + location.host + "/socket?" + secret);
  await new Promise((resolve) => { socket.onerror = resolve; });
  await heard;
  const response = await fetch("/post?" + secret + "&session=kept" + by("other").value, { method: "POST", body: secret, headers: { "x-secret": secret } });
  by("text").textContent = await response.text();
  alert(secret);
  tell("spread");
};
const forget = () => {
  document.cookie = "secret=; max-age=0";
  sessionStorage.clear();
};
by("clean").onclick = () => {
  forget();
  location.replace("/after");
};
by("tidy").onclick = () => {
  forget();
  worker.terminate();
  by("name").value = by("other").value = by("text").textContent = "";
  document.title = "tidy";
  history.replaceState(null, "", "/vault");
  for (const id of ["near", "far"]) by(id).remove();
  tell("tidy");
};
tell("runs");`,
);

export const HTML: Readonly<Record<string, string>> = {
  "/desk": DESK,
  "/popup": POPUP,
  "/vault": VAULT,
  "/after": page("after", `${field("name")}${button("one")}<p id="text">after</p>`),
  "/frame": page(
    "frame",
    `<p id="text">framed</p>`,
    `onmessage = ({ data }) => { document.body.textContent = data; console.log("frame", data); };`,
  ),
};
