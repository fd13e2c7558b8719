/** The published entry of the protocol: every schema and type, by name. Modules inside the repository import files. */
export * from "./agent.ts";
export * from "./auth.ts";
export * from "./codec.ts";
export * from "./control.ts";
export * from "./down.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./handoff.ts";
export * from "./http.ts";
export * from "./ids.ts";
export * from "./input.ts";
export * from "./preview.ts";
export * from "./sandbox.ts";
export * from "./up.ts";
export * from "./version.ts";
