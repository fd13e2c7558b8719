/** `/openapi.json` is what generators read: it lists what PROTOCOL.md promises, and every reference in it leads somewhere. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { startLoggedGateway } from "../../support/logged-gateway.ts";

interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
  }[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Record<string, { schema?: object }>;
  };
  readonly responses: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>;
}
interface Description {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
}

async function describeCalls(): Promise<Description> {
  const { http } = await startLoggedGateway();
  const response = await http("/openapi.json");
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  return (await response.json()) as Description;
}

/** `GET /v1/sandboxes/{id}` for each call of the table, `…/accept` spelled out. */
function promised(): string[] {
  const text = readFileSync(new URL("../../../protocol/PROTOCOL.md", import.meta.url), "utf8");
  const section = text.slice(text.indexOf("\n## HTTP"), text.indexOf("\n## Errors"));
  const calls: string[] = [];
  for (const row of section.split("\n").filter((line) => line.startsWith("| `"))) {
    let methods: string[] = [];
    let path = "";
    // A row is full paths, methods that share the next path, and endings that replace the last part of one.
    for (const quoted of (row.split(" | ")[0] ?? "").match(/`[^`]+`/g) ?? []) {
      const words = quoted.slice(1, -1).split(" ");
      const named = words.filter((word) => /^[A-Z]+$/.test(word));
      const target = words.find((word) => /^[/…]/.test(word))?.split("?")[0];
      if (named.length > 0) methods = calls.length > 0 && path === "" ? [...methods, ...named] : named;
      if (target === undefined) {
        path = "";
        continue;
      }
      if (target.startsWith("…")) {
        const base = path.endsWith("/handoff") ? path : path.slice(0, path.lastIndexOf("/"));
        calls.push(...methods.map((method) => `${method} ${base}${target.slice(1)}`));
      } else {
        path = target.replace(/:(\w+)/g, "{$1}");
        calls.push(...methods.map((method) => `${method} ${path}`));
      }
    }
  }
  return calls;
}

function* references(value: unknown): Generator<string> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === "$ref") yield String(inner);
    else yield* references(inner);
  }
}

describe("/openapi.json", () => {
  it("lists every call of PROTOCOL.md's table, and no other", async () => {
    const { paths } = await describeCalls();
    const listed = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    // The description does not describe itself.
    const calls = promised().filter((call) => call !== "GET /openapi.json");
    expect(calls).toContain("DELETE /v1/sandboxes/{id}");
    expect(calls).toContain("POST /v1/sandboxes/{id}/control/release");
    expect(listed.toSorted()).toEqual(calls.toSorted());
  });

  it("is OpenAPI 3.1: each call has a summary, its parameters, described answers and problems", async () => {
    const { openapi, info, paths } = await describeCalls();
    expect(openapi).toMatch(/^3\.1\.\d+$/);
    expect(info).toMatchObject({ title: "Baton", version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const call = `${method} ${path}`;
        expect(operation.summary, call).toMatch(/\S{3,}/);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
        expect(
          declared.map(({ name }) => name),
          call,
        ).toEqual(inPath);
        expect(
          declared.every(({ required }) => required),
          call,
        ).toBe(true);
        expect(operation.responses["200"]?.content, call).toBeDefined();
        for (const { description } of Object.values(operation.responses))
          expect(description, call).toBeTruthy();
        if (path.startsWith("/v1/")) {
          expect(operation.responses["default"]?.content, call).toHaveProperty(["application/problem+json"]);
        }
        if (method === "post") {
          expect(operation.requestBody?.content["application/json"]?.schema, call).toBeTypeOf("object");
        }
      }
    }
  });

  it("holds no reference that leads nowhere", async () => {
    const description = await describeCalls();
    const all = [...new Set(references(description))];
    expect(all.length).toBeGreaterThan(0);
    for (const reference of all) {
      expect(reference).toMatch(/^#\//);
      const target = reference
        .slice(2)
        .split("/")
        .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], description);
      expect(target, reference).toBeTypeOf("object");
    }
  });
});
