/** A site that knows who signed in. It ends with the test. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** Signs in with a cookie that ends with the browser's session, and tells what was typed into it. */
export async function bankSite() {
  const typed: string[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://bank.invalid");
    if (pathname === "/typed") {
      typed.push(searchParams.get("text") ?? "");
      for (const check of waiting) check();
    }
    if (pathname === "/login") response.setHeader("set-cookie", "session=s3cr3t; HttpOnly");
    const known = request.headers.cookie?.includes("session=s3cr3t");
    response.setHeader("content-type", "text/html");
    response.end(
      `<title>${known || pathname === "/login" ? "signed in" : "stranger"}</title>
       <input autofocus oninput="fetch('/typed?text=' + encodeURIComponent(this.value))">`,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!typed.includes(text)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, until };
}
