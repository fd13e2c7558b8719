import "./setup-zod.ts";
// First of all that has an effect: a token leaves the address before anything else looks at it.
import "./state/credential.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { startClock } from "./state/clock.ts";

startClock();
const root = document.getElementById("app");
if (root === null) throw new Error("index.html must have an element with the id app");
render(<App />, root);
