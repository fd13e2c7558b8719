import { BrowserError } from "../../../src/browser/browser.ts";
import { FakeBrowserProvider } from "../../../src/browser/fake.ts";
import type { FakeLaunchedBrowser } from "../../../src/browser/fake-launch.ts";
import { browserLinkContract } from "../../contract/browser-link.ts";
import { launchedBrowserContract } from "../../contract/launched-browser.ts";

browserLinkContract("fake", async () => {
  const provider = new FakeBrowserProvider();
  const { browser } = provider;
  return {
    attach: () => provider.attach({ endpoint: async () => "ws://fake.invalid/" }),
    attachNowhere: () =>
      provider.attach({
        endpoint: async () => {
          throw new BrowserError("browser_attach_failed", "nobody is there");
        },
      }),
    async freshPage() {
      browser.navigate("http://site.invalid/");
      browser.received.length = 0;
    },
    async seen() {
      return browser.received.splice(0).map(({ event }) => {
        if (event.kind === "mouse") return `mouse${event.action}`;
        return event.kind === "key" ? `key${event.action} ${event.key}` : event.kind;
      });
    },
    async openPopup() {
      browser.openTab("http://site.invalid/popup", browser.active?.tabId);
    },
    async openAlert() {
      browser.openDialog({ type: "alert", message: "stop" });
    },
    async freeze() {
      browser.holdAnswers();
    },
    async wake() {
      browser.answer();
    },
    async kill() {
      browser.crash();
      browser.restart();
    },
    async close() {},
  };
});

launchedBrowserContract("fake", async () => ({
  provider: () => new FakeBrowserProvider(),
  pages: ["http://site.invalid/1", "http://site.invalid/2", "http://site.invalid/3"],
  async kill(browser) {
    (browser as FakeLaunchedBrowser).crash();
  },
  async close() {},
}));
