import "./setup-zod.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { startClock } from "./state/clock.ts";

startClock();
const root = document.getElementById("app");
if (root === null) throw new Error("index.html must have an element with the id app");
render(<App />, root);
