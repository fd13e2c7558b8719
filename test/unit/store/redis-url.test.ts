import { describe, expect, it } from "vitest";
import { parseRedisUrl } from "../../../src/store/redis/url.ts";

describe("the Redis URL", () => {
  const standalone = {
    kind: "standalone",
    masterName: "",
    tls: false,
    db: 0,
    credentials: {},
    sentinelCredentials: {},
    prefix: "baton",
  };

  it.each([
    ["redis://cache", { addresses: [{ host: "cache", port: 6379 }] }],
    ["redis://127.0.0.1:7000/5", { addresses: [{ host: "127.0.0.1", port: 7000 }], db: 5 }],
    ["rediss://[::1]:7000/", { addresses: [{ host: "::1", port: 7000 }], tls: true }],
    [
      "redis://:p%40ss%3A%2Fword@cache?prefix=my.app",
      {
        addresses: [{ host: "cache", port: 6379 }],
        credentials: { password: "p@ss:/word" },
        prefix: "my.app",
      },
    ],
    [
      "redis+sentinel://ann:secret@s1,s2:5000/main/2?sentinelUsername=watch&sentinelPassword=p",
      {
        kind: "sentinel",
        addresses: [
          { host: "s1", port: 26379 },
          { host: "s2", port: 5000 },
        ],
        masterName: "main",
        db: 2,
        credentials: { username: "ann", password: "secret" },
        sentinelCredentials: { username: "watch", password: "p" },
      },
    ],
    [
      "rediss+cluster://n1:7000,n2:7001",
      {
        kind: "cluster",
        addresses: [
          { host: "n1", port: 7000 },
          { host: "n2", port: 7001 },
        ],
        tls: true,
      },
    ],
  ])("%s", (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...standalone, ...expected });
  });

  it.each([
    ["", "none of the known forms"],
    ["http://secret@cache", "none of the known forms"],
    ["redis+ring://cache", "none of the known forms"],
    ["redis://", "none of the known forms"],
    ["redis://secret@cache:99999", "host or host:port"],
    ["redis://a,b", "several hosts need"],
    ["redis://cache/one", "a database's number"],
    ["redis://cache/1/2", "a database's number"],
    ["redis://:50%secret@cache", "must be written %25"],
    ["redis+sentinel://s1,s2", "name of the Sentinels' master is missing"],
    ["redis+cluster://n1/1", "database 0 only"],
    ["redis://cache?prefix={secret}", "the prefix must match"],
    ["redis://cache?tls=secret", "there is no parameter tls"],
  ])("says what is wrong with %j and which forms there are", (url, what) => {
    const refused = (): unknown => parseRedisUrl(url);
    expect(refused).toThrow(what);
    expect(refused).toThrow("redis+sentinel://[user:password@]host:port,host:port/masterName[/db]");
    expect(refused).not.toThrow("secret");
  });
});
