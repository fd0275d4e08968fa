import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { ensureUp } from "../../../src/cli/actions/ensure-up.ts";

// What it starts on this machine is seen in test/ci and test/services; here the control plane is elsewhere.

afterEach(() => {
  delete process.env.LEGALONE_SERVE_URL;
});

it("asks the control plane that LEGALONE_SERVE_URL names", async () => {
  const asked: (string | undefined)[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.LEGALONE_SERVE_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await ensureUp({});
  expect(asked).toEqual(["/healthz"]);
  status = 503;
  await expect(ensureUp({})).rejects.toMatchObject({ code: "E_SERVE", exitCode: 9 });
  server.close();
});

it("says so when nobody answers there", async () => {
  process.env.LEGALONE_SERVE_URL = "http://127.0.0.1:9";
  await expect(ensureUp({})).rejects.toMatchObject({
    code: "E_SERVE",
    message: expect.stringContaining("http://127.0.0.1:9"),
  });
});
