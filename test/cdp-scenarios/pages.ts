/** HTML of the scenario site. Every page but `/plain` tells the site about the trusted events it sees. */

/**
 * Runs in every page and frame. The request is synchronous, so that the site's record is complete at any moment: an
 * event that it does not hold has not happened.
 */
const RECORDER = `
window.__log = [];
for (const name of ["mousedown", "mouseup", "click", "dblclick", "contextmenu", "auxclick", "wheel", "touchstart",
  "touchend", "keydown", "keyup", "input", "change", "submit", "dragstart", "dragover", "drop", "dragend", "copy", "cut",
  "paste"]) {
  addEventListener(name, (event) => {
    if (!event.isTrusted) return;
    const target = event.composedPath()[0];
    const entry = { page: location.pathname, event: name, on: target.id || target.nodeName || "window" };
    const last = __log.at(-1);
    // Repeated by a timer for as long as the drag lasts.
    if (name === "dragover" && last?.event === name && last.on === entry.on) return;
    if (event instanceof KeyboardEvent) entry.key = event.key;
    if (event instanceof MouseEvent && name !== "dragover") entry.button = event.button;
    const held = ["ctrlKey", "shiftKey", "altKey", "metaKey"].filter((key) => event[key]);
    if (held.length > 0) entry.held = held.map((key) => key.slice(0, -3)).join("+");
    if (name === "input" || name === "change") {
      entry.value = target.type === "file" ? [...target.files].map((file) => file.name).join()
        : target.type === "checkbox" || target.type === "radio" ? target.checked
        : target.value ?? target.textContent;
    }
    __log.push(entry);
    try {
      const request = new XMLHttpRequest();
      request.open("POST", "/record", false);
      request.send(JSON.stringify(entry));
    } catch {}
  }, { capture: true, passive: true });
}`;

function page(title: string, body: string, script = ""): string {
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,">
<style>body { font: 16px sans-serif; margin: 8px } #hover:hover + #tip { color: rgb(200, 0, 0) }</style>
<script>${RECORDER}</script>
<body>${body}<script>${script}</script>`;
}

const FORM = page(
  "form",
  `<form id="form" action="/submitted" method="post">
  <label>Name <input id="name" name="name" placeholder="your name"></label>
  <input id="secret" name="secret" type="password">
  <textarea id="notes" name="notes"></textarea>
  <label><input id="agree" name="agree" type="checkbox"> I agree</label>
  <label><input id="red" name="paint" type="radio" value="red"> red</label>
  <label><input id="blue" name="paint" type="radio" value="blue"> blue</label>
  <select id="colour" name="colour"><option value="r">Red</option><option value="g">Green</option><option value="b">Blue</option></select>
  <select id="sizes" name="sizes" multiple><option>S</option><option>M</option><option>L</option></select>
  <input id="day" name="day" type="date"> <input id="volume" name="volume" type="range" min="0" max="10" value="5">
  <button id="send">Send</button>
</form>
<div id="editor" contenteditable="true" style="border: 1px solid; min-height: 20px"></div>`,
);

const BUTTONS = page(
  "buttons",
  `<button id="plain">Plain</button> <button id="hover">Hover</button><span id="tip">tip</span>
<p id="entered"></p>
<button id="late" disabled>Late</button>
<div id="pane" style="width: 200px; height: 100px; overflow: auto"><div style="height: 2000px">tall</div></div>
<div style="height: 1500px"></div><button id="below">Below</button>`,
  `hover.onmouseenter = () => { entered.textContent += "in "; };
hover.onmouseleave = () => { entered.textContent += "out "; };
const wake = () => { late.disabled = false; };`,
);

const LINKS = page(
  "links",
  `<a id="blank" href="/child?blank" target="_blank">blank</a>
<a id="opener" href="/child?opener" target="_blank" rel="opener">opener</a>
<a id="here" href="/plain">here</a>
<a id="file" href="/download">download</a>
<a id="blob" download="made.txt">blob</a>
<button id="open" onclick="child = window.open('/child?open', 'child', 'width=400,height=300')">open</button>
<button id="far" onclick="child = window.open(document.body.dataset.other + '/child?far')">far</button>
<button id="empty" onclick="child = window.open('about:blank'); child.document.title = 'written'; child.document.body.textContent = 'by its opener'">empty</button>
<button id="close" onclick="child.close()">close</button>
<p id="heard"></p>`,
  `var child; onmessage = (event) => { heard.textContent += event.data + " "; };
blob.href = URL.createObjectURL(new Blob(["made in the page"]));`,
);

const CHILD = page(
  "child",
  `<button id="tell" onclick="opener?.postMessage('hello from ' + location.search, '*')">tell</button>
<button id="leave" onclick="window.close()">leave</button><p id="from"></p>`,
  `from.textContent = opener ? "has an opener" : "has no opener";`,
);

const DIALOGS = page(
  "dialogs",
  `<button id="alert" onclick="said.textContent = String(alert('watch out'))">alert</button>
<button id="confirm" onclick="said.textContent = String(confirm('really?'))">confirm</button>
<button id="prompt" onclick="said.textContent = String(prompt('your name?', 'nobody'))">prompt</button>
<button id="guard" onclick="onbeforeunload = (event) => event.preventDefault()">guard</button>
<p id="said"></p>`,
);

const DRAG = page(
  "drag",
  `<div id="card" draggable="true" style="width: 80px; height: 40px; background: gold">card</div>
<div id="zone" style="margin-top: 60px; width: 200px; height: 100px; background: silver">zone</div>
<div id="track" style="margin-top: 20px; width: 300px; height: 20px; background: teal; position: relative">
<div id="knob" style="position: absolute; width: 20px; height: 20px; background: black"></div></div>`,
  `card.ondragstart = (event) => event.dataTransfer.setData("text/plain", "the card");
zone.ondragover = (event) => event.preventDefault();
zone.ondrop = (event) => { event.preventDefault(); zone.textContent = event.dataTransfer.getData("text/plain"); };
knob.onpointerdown = (event) => knob.setPointerCapture(event.pointerId);
knob.onpointermove = (event) => { if (event.buttons) knob.style.left = event.clientX - 18 + "px"; };`,
);

const FRAMES = page(
  "frames",
  `<iframe id="near" name="near" src="/inner?near" width="300" height="120"></iframe>
<iframe id="far" name="far" width="300" height="120"></iframe><div id="slot"></div>`,
  `document.querySelector("#far").src = document.body.dataset.other + "/inner?far";`,
);

const INNER = page(
  "inner",
  `<button id="press" onclick="said.textContent += 'pressed '">press</button><input id="field"><p id="said"></p>
<a id="deeper" href="/inner?deeper">deeper</a>`,
);

const SHADOW = page(
  "shadow",
  `<baton-box id="host"></baton-box>`,
  `customElements.define("baton-box", class extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = '<button id="deep">deep</button><input id="field" aria-label="in the shadow"><p id="out">quiet</p>';
    root.querySelector("#deep").onclick = () => { root.querySelector("#out").textContent = "loud"; };
  }
});`,
);

const FILES = page(
  "files",
  `<input id="one" type="file"><input id="many" type="file" multiple>
<button id="choose" onclick="one.click()">choose</button><pre id="answer"></pre>`,
  `for (const input of [one, many]) input.onchange = async () => {
  const answers = [];
  for (const file of input.files) {
    const response = await fetch("/upload?name=" + encodeURIComponent(file.name) + "&type=" + file.type, { method: "POST", body: file });
    answers.push(await response.json());
  }
  answer.textContent = JSON.stringify(answers);
};`,
);

const PICTURE = page(
  "picture",
  `<div id="box" style="width: 120px; height: 60px; background: linear-gradient(red, blue)"></div>
<div style="height: 1800px; background: repeating-linear-gradient(white 0 20px, gray 20px 40px)"></div>`,
);

const MEDIA = page(
  "media",
  `<div id="dark">light</div><p id="where"></p>`,
  `if (matchMedia("(prefers-color-scheme: dark)").matches) dark.textContent = "dark";`,
);

const WORKERS = page(
  "workers",
  "",
  `var worker;
const ask = (number) => new Promise((resolve) => {
  worker = new Worker("/worker.js");
  worker.onmessage = ({ data }) => resolve(data);
  worker.postMessage(number);
});`,
);

export const PAGES: Readonly<Record<string, string>> = {
  "/form": FORM,
  "/buttons": BUTTONS,
  "/links": LINKS,
  "/child": CHILD,
  "/dialogs": DIALOGS,
  "/drag": DRAG,
  "/frames": FRAMES,
  "/inner": INNER,
  "/shadow": SHADOW,
  "/files": FILES,
  "/picture": PICTURE,
  "/media": MEDIA,
  "/workers": WORKERS,
  "/plain": `<!doctype html><title>plain</title><link rel="icon" href="data:,"><p id="text">plain text</p>`,
  "/second": `<!doctype html><title>second</title><link rel="icon" href="data:,"><p id="text">second text</p>`,
};

export const SCRIPTS: Readonly<Record<string, string>> = {
  "/worker.js": `onmessage = ({ data }) => { console.log("worker heard", data); postMessage(data * 2); };`,
  "/sw.js": `oninstall = () => skipWaiting(); onactivate = (event) => event.waitUntil(clients.claim());
onfetch = (event) => {
  if (event.request.url.endsWith("/from-worker")) event.respondWith(new Response("answered by the service worker"));
};`,
};
