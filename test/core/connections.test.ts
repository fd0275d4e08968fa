import { expect, test } from "vitest";
import { parseRedisUrl } from "../../src/core/connections.ts";

test.each([
  ["redis://localhost:6379/0", { url: "redis://localhost:6379/0" }],
  ["rediss://:a%25b@valkey.example:6380", { url: "rediss://:a%25b@valkey.example:6380" }],
  ["/run/valkey/valkey.sock", { path: "/run/valkey/valkey.sock" }],
])("the queue server may be %s", (text, spec) => {
  expect(parseRedisUrl(text)).toEqual(spec);
});

test.each(["localhost", "http://localhost:6379", "run/valkey.sock", "redis://:%@localhost"])(
  "%s is refused with what is expected",
  (text) => {
    expect(() => parseRedisUrl(text)).toThrow(
      expect.objectContaining({
        code: "E_USAGE",
        hint: expect.stringContaining("the path of a unix socket"),
      }),
    );
  },
);
