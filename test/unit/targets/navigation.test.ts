import { describe, expect, it } from "vitest";
import { NavigateInput } from "../../../protocol/input.ts";
import { checkNavigation } from "../../../src/targets/navigation.ts";
import { targetPolicy } from "../../../src/targets/policy.ts";

/** What opens no site: scripts, files, and pages of the browser's own. */
const NO_SITES = [
  "file:///etc/passwd",
  " file:///etc/passwd",
  "fi\tle:///etc/passwd",
  "FILE://localhost/etc/passwd",
  "javascript:alert(1)",
  "chrome://settings",
  "chrome-extension://abc/page.html",
  "devtools://devtools/bundled/inspector.html",
  "view-source:http://127.0.0.1/",
  "view-source:file:///etc/passwd",
  "filesystem:http://127.0.0.1/temporary/x",
  "blob:http://127.0.0.1/0-0",
  "about:version",
  "about:blankx",
  "ftp://127.0.0.1/",
  "x",
];

describe("checkNavigation", () => {
  const loopback = targetPolicy("loopback", "S");

  it.each(NO_SITES)("refuses %j, and allows it where everything is", async (url) => {
    await expect(checkNavigation(loopback, url)).rejects.toMatchObject({ code: "target_refused" });
    await checkNavigation(targetPolicy("*", "S"), url);
  });

  it.each(["", "about:blank", "about:blank#x", "about:srcdoc", "data:text/html,x", "http://127.0.0.1:1/"])(
    "allows %j",
    async (url) => {
      await checkNavigation(loopback, url);
    },
  );

  it("refuses what the policy does", async () => {
    await expect(checkNavigation(loopback, "http://10.0.0.1/")).rejects.toMatchObject({
      code: "target_refused",
      details: { setting: "S", host: "10.0.0.1" },
    });
  });
});

describe("what a person may type as an address", () => {
  it.each([...NO_SITES, "data:text/html,x", "http:", "https:/x", "about:blank\n", "\nhttp://x/"])(
    "is not %j, whatever is allowed",
    (url) => {
      expect(NavigateInput.safeParse({ kind: "navigate", to: "url", url }).success).toBe(false);
    },
  );

  it.each(["http://x/", "HTTPS://x", "about:blank"])("is %j", (url) => {
    expect(NavigateInput.safeParse({ kind: "navigate", to: "url", url }).success).toBe(true);
  });
});
