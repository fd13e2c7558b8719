/** Runs the example against a gateway that is up already: `npx tsx examples/login-handoff/main.ts [gateway URL]`. */
import { startDemo } from "./demo.ts";

const gatewayUrl = process.argv[2] ?? "http://127.0.0.1:7070";
const demo = await startDemo(gatewayUrl, (line) => console.log(line));
console.log(`open ${demo.viewerUrl}; Ctrl+C ends the example`);
process.once("SIGINT", () => void demo.close());
