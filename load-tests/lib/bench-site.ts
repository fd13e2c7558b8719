/** Two pages that hold still: one to click through, one whose picture hardly compresses. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const FORM = `<!doctype html>
<title>Form</title>
<label>Name <input id="name"></label>
<button id="greet">Greet</button>
<p id="said">Nobody yet</p>
<script>
  document.getElementById("greet").onclick = () => {
    const name = document.getElementById("name").value;
    document.title = name;
    document.getElementById("said").textContent = "Hello " + name;
  };
</script>`;

/** Always the same noise, so that all pictures are equally large. */
const NOISE = `<!doctype html>
<title>Noise</title>
<style>body { margin: 0; overflow: hidden } canvas { display: block }</style>
<canvas></canvas>
<script>
  const canvas = document.querySelector("canvas");
  [canvas.width, canvas.height] = [innerWidth, innerHeight];
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  let state = 1;
  for (let index = 0; index < image.data.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    image.data[index] = index % 4 === 3 ? 255 : state >>> 24;
  }
  context.putImageData(image, 0, 0);
</script>`;

const PAGES: Readonly<Record<string, string>> = { "/form": FORM, "/noise": NOISE };

export interface BenchSite {
  readonly url: string;
  readonly close: () => Promise<void>;
}

export async function startBenchSite(): Promise<BenchSite> {
  const server = createServer((request, response) => {
    const page = PAGES[request.url ?? ""];
    response.writeHead(page === undefined ? 404 : 200, { "content-type": "text/html; charset=utf-8" });
    response.end(page ?? "");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
