import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeBrowserProvider } from "../../../src/browser/fake.ts";
import { Browsers } from "../../../src/room/browsers.ts";
import { until } from "../browser/bench.ts";

const LAUNCH = { launch: true } as const;
const soon = (): AbortSignal => AbortSignal.timeout(5_000);

/** A gateway's part of it; those with one folder are on one machine. */
class Node {
  readonly provider = new FakeBrowserProvider();
  readonly started: string[] = [];
  readonly browsers: Browsers;
  storeFails = false;
  /** Called while the store is being asked. */
  asked: () => void = () => {};

  constructor(store: Map<string, string>, profileDir?: string) {
    this.browsers = new Browsers(this.provider, {
      ...(profileDir !== undefined && { profileDir }),
      storedEndpoint: async (sandboxId) => {
        if (this.storeFails) throw new Error("the store is away");
        const stored = store.get(sandboxId);
        this.asked();
        return stored;
      },
      started: async (sandboxId, endpoint) => {
        if (this.storeFails) throw new Error("the store is away");
        this.started.push(endpoint);
        store.set(sandboxId, endpoint);
      },
    });
  }

  /** The launches that it made, and not merely looked up. */
  get launches(): number {
    return this.provider.launches.length;
  }

  /** Attaches once. Resolves to the tabs, or rejects as the link does. */
  async look(sandboxId: string): Promise<string[]> {
    const link = this.browsers.attach(sandboxId, LAUNCH);
    try {
      await link.ready(soon());
      return link.tabs.map((tab) => tab.url);
    } finally {
      await link.close();
    }
  }
}

describe("launched browsers", () => {
  const url = "http://site.invalid/login";
  let store: Map<string, string>;
  let folder: string;
  const nodes: Node[] = [];
  const node = (profileDir: string | undefined = folder): Node => {
    const made = new Node(store, profileDir);
    nodes.push(made);
    return made;
  };
  /** As a gateway does it: the sandbox is stored when its browser runs. */
  const create = async (on: Node, sandboxId: string): Promise<void> => {
    store.set(sandboxId, (await on.browsers.launch(sandboxId, url, soon())).endpoint);
  };

  beforeEach(async () => {
    store = new Map();
    folder = await mkdtemp(join(tmpdir(), "baton-test-"));
  });
  afterEach(async () => {
    for (const made of nodes.splice(0)) await made.browsers.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("a new process starts the kept one again, once for all who ask, and tells the store", async () => {
    const first = node();
    await create(first, "s");
    const before = store.get("s");
    await first.browsers.close();
    const refused = { code: "unavailable" };
    await expect(first.look("s")).rejects.toMatchObject({ cause: refused });
    await expect(first.browsers.launch("t", url, soon())).rejects.toMatchObject(refused);

    const second = node();
    const seen = await Promise.all([second.look("s"), second.look("s"), second.look("s")]);
    for (const tabs of seen) expect(tabs).toContain(url);
    expect(second.launches).toBe(1);
    expect(second.started).toHaveLength(1);
    expect(store.get("s")).not.toBe(before);
    expect(first.started).toEqual([]);
  });

  it.each([
    "ws://10.0.0.7:9222/devtools/browser/1",
    "ws://127.0.0.1:9222@10.0.0.7/devtools/browser/1",
    "ws://localhost:9222/devtools/browser/1",
    "http://127.0.0.1:9222/devtools/browser/1",
    "ws://127.0.0.1:9222/other",
  ])("no address but a launched browser's own counts as one: %s", async (address) => {
    const asked: string[] = [];
    const on = node();
    on.provider.answers = async (endpoint) => {
      asked.push(endpoint);
      return true;
    };
    store.set("s", `${address}#launch1`);
    await expect(on.look("s")).rejects.toMatchObject({ cause: { code: "browser_unavailable" } });
    expect(asked).toEqual([]);
    store.set("s", "ws://127.0.0.1:9222/devtools/browser/1#launch1");
    await on.look("s");
    expect(asked).toEqual(["ws://127.0.0.1:9222/devtools/browser/1"]);
  });

  it("another node uses the one that runs, by the name that the store has", async () => {
    const first = node();
    await create(first, "s");
    for (const other of [node(), node(join(folder, "of-another-machine"))]) {
      await other.look("s");
      expect(other.launches).toBe(0);
      expect(other.started).toEqual([]);
    }
    // The one that started it is gone for good: whoever has its folder goes on, and the third finds that one.
    await first.browsers.close();
    const third = node();
    expect(await third.look("s")).toContain(url);
    await node("/nowhere").look("s");
    expect(third.started).toHaveLength(1);
  });

  it("says browser_unavailable when it is nowhere to be found", async () => {
    const first = node();
    await create(first, "s");
    await first.browsers.close();
    const elsewhere = node(join(folder, "of-another-machine"));
    await expect(elsewhere.look("s")).rejects.toMatchObject({
      cause: {
        code: "browser_unavailable",
        message: expect.stringContaining("Start that gateway again") as string,
      },
    });
    expect(elsewhere.launches).toBe(0);
  });

  it("temporary ones end with their process and leave nothing", async () => {
    const first = new Node(store);
    nodes.push(first);
    await create(first, "s");
    await first.browsers.close();
    await expect(node().look("s")).rejects.toThrow();
    expect(await readdir(folder)).toEqual([]);
  });

  it("tells the store of a new start after a crash, and again until it has taken it", async () => {
    const first = node();
    await create(first, "s");
    const before = store.get("s");
    first.provider.launches[0]?.crash();
    first.storeFails = true;
    await first.look("s");
    expect(store.get("s")).toBe(before);
    first.storeFails = false;
    await first.look("s");
    expect(first.started).toHaveLength(1);
    expect(store.get("s")).toBe(first.started[0]);
    await first.look("s");
    expect(first.started).toHaveLength(1);
  });

  it("a browser that runs here is there while the store is not", async () => {
    const first = node();
    await create(first, "s");
    first.storeFails = true;
    expect(await first.look("s")).toContain(url);
    const second = node();
    second.storeFails = true;
    await expect(second.look("s")).rejects.toThrow();
    second.storeFails = false;
    await second.look("s");
  });

  it("removal takes the profile with it, also one that was not started since the restart", async () => {
    const first = node();
    await create(first, "s");
    await create(first, "s-2");
    await create(first, "other");
    store.delete("s-2");
    await first.browsers.take("s-2")();
    await first.browsers.close();
    const second = node();
    store.delete("s");
    await second.browsers.take("s")();
    const left = await readdir(folder);
    expect(left).toHaveLength(1);
    expect(left[0]).toMatch(/^other\./);
  });

  it("a sandbox that is made anew gets a new browser, whatever its namesake left behind", async () => {
    const first = node();
    await create(first, "s");
    await first.browsers.close();
    // Removed and made anew by a node of another machine, while this one was away.
    const elsewhere = node(join(folder, "of-another-machine"));
    await create(elsewhere, "s");
    await elsewhere.browsers.close();
    const back = node();
    await expect(back.look("s")).rejects.toThrow();
    expect(back.launches).toBe(0);
    expect(await back.browsers.sweep(async () => true)).toBe(1);

    // Made anew here while the removal still goes on.
    await create(back, "t");
    store.delete("t");
    const end = back.browsers.take("t");
    await create(back, "t");
    await end();
    expect(await back.look("t")).toContain(url);
    expect((await readdir(folder)).filter((name) => name.startsWith("t."))).toHaveLength(1);
  });

  it("a removal overtakes whoever is about to start the profile again", async () => {
    const first = node();
    await create(first, "s");
    await first.browsers.close();
    const second = node();
    const removed = new Promise<void>((resolve, reject) => {
      second.asked = () => {
        second.asked = () => {};
        store.delete("s");
        second.browsers.take("s")().then(resolve, reject);
      };
    });
    await expect(second.look("s")).rejects.toThrow();
    await removed;
    expect(second.launches).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it("a launch that nobody needs leaves nothing; one that somebody else got goes on", async () => {
    const first = node();
    const [one, two] = await Promise.all([
      first.browsers.launch("s", url, soon()),
      first.browsers.launch("s", url, soon()),
    ]);
    expect(one.endpoint).toBe(two.endpoint);
    expect(first.launches).toBe(1);
    await one.abandon();
    expect(await first.look("s")).toContain(url);
    await two.abandon();
    expect(await readdir(folder)).toEqual([]);
    await expect(first.look("s")).rejects.toThrow();
  });

  it("the sweep removes what no sandbox has, and neither what is in use nor what is no profile", async () => {
    const first = node();
    for (const sandboxId of ["gone", "kept", "running"]) await create(first, sandboxId);
    await first.browsers.close();
    const second = node();
    await second.look("running");
    await second.browsers.launch("unstored", url, soon());
    store.delete("gone");
    await mkdir(join(folder, "not.a.profile"));
    await mkdir(join(folder, "starting.abc"));
    await mkdir(join(folder, "broken.abc"));
    await utimes(join(folder, "broken.abc"), 1, 1);
    await writeFile(join(folder, "file"), "");
    const asked: string[] = [];
    const existing = async (sandboxId: string): Promise<boolean> => {
      asked.push(sandboxId);
      return store.has(sandboxId);
    };
    expect(await second.browsers.sweep(existing)).toBe(2);
    const left = (await readdir(folder)).map((name) => name.replace(/^(kept|running|unstored)\..*/, "$1"));
    expect(left.toSorted()).toEqual(["file", "kept", "not.a.profile", "running", "starting.abc", "unstored"]);
    expect(asked.toSorted()).toEqual(["broken", "gone", "kept", "running", "starting", "unstored"]);
    const nowhere = node(join(folder, "nowhere"));
    expect(await nowhere.browsers.sweep(existing)).toBe(0);
  });

  it("the reaper ends what another node removed at its second look, and nothing that is only being made", async () => {
    const here = node();
    const removed = await here.browsers.launch("removed", url, soon());
    const kept = await here.browsers.launch("kept", url, soon());
    const late = await here.browsers.launch("late", url, soon());
    store.set("removed", removed.endpoint).set("kept", kept.endpoint);
    await here.browsers.reap();
    store.set("late", late.endpoint).delete("removed");
    for (let look = 0; look < 3; look += 1) await here.browsers.reap();
    await expect(here.look("removed")).rejects.toMatchObject({ name: "BrowserError" });
    for (const sandboxId of ["kept", "late"]) expect(await here.look(sandboxId)).toContain(url);
    expect(here.launches).toBe(3);
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("a browser that cannot be launched is tried again", async () => {
    const first = node();
    await create(first, "s");
    await first.browsers.close();
    const second = node();
    const launch = second.provider.launch.bind(second.provider);
    second.provider.launch = async () => {
      second.provider.launch = launch;
      throw new Error("no Chromium yet");
    };
    await expect(second.look("s")).rejects.toThrow();
    expect(await second.look("s")).toContain(url);
  });
});

describe("browsers at an address", () => {
  it("are attached as they are, and checked by attaching", async () => {
    const browsers = new Node(new Map()).browsers;
    const source = { cdpUrl: "http://127.0.0.1:9222" };
    const link = browsers.attach("s", source);
    await until(link, () => link.status === "live");
    await link.close();
    await browsers.check(source, soon());
    await browsers.check(LAUNCH, soon());
    await browsers.close();
  });
});
