import { describe, expect, it } from "vitest";
import { origins } from "../../../src/http/origins.ts";

const PUBLIC = "https://baton.example.test";

describe("origins", () => {
  const loopback = origins("127.0.0.1", () => PUBLIC);
  const open = origins("0.0.0.0", () => PUBLIC);

  it.each(["127.0.0.1:7070", "localhost:7070", "[::1]:7070", "baton.example.test"])(
    "on loopback it answers as %s",
    (host) => {
      expect(loopback.hostAllowed(host)).toBe(true);
    },
  );

  it.each([undefined, "", "evil.example", "evil.example:7070", "127.0.0.1.evil.example", "not a host"])(
    "on loopback it does not answer as %s: a name that was rebound to this machine",
    (host) => {
      expect(loopback.hostAllowed(host)).toBe(false);
      expect(loopback.originAllowed(`http://${host}`, host)).toBe(false);
    },
  );

  it("on other addresses any name may lead here", () => {
    expect(open.hostAllowed("gateway.internal:7070")).toBe(true);
  });

  it("a page may call the gateway it came from, and the public one", () => {
    for (const each of [loopback, open]) {
      expect(each.originAllowed("http://127.0.0.1:7070", "127.0.0.1:7070")).toBe(true);
      expect(each.originAllowed(PUBLIC, "127.0.0.1:7070")).toBe(true);
      expect(each.originAllowed("https://evil.example", "127.0.0.1:7070")).toBe(false);
      expect(each.originAllowed("http://127.0.0.1:8080", "127.0.0.1:7070")).toBe(false);
      expect(each.originAllowed("null", "127.0.0.1:7070")).toBe(false);
    }
  });
});
