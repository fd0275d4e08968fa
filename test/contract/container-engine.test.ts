import { execFileSync } from "node:child_process";
import Docker from "dockerode";
import { describe, expect, test } from "vitest";
import { ContainerEngine } from "../../src/dispatch/container/container-engine.ts";
import { containerSocket } from "../../src/dispatch/container/container-socket.ts";
import { engineConformance } from "./engine-conformance.ts";

/** Any image with /bin/sh will do; the newest one here is taken. */
async function imageHere(socket: string | undefined): Promise<string | undefined> {
  if (socket === undefined) return undefined;
  try {
    if (process.env.LEGALONE_CONTAINER_IMAGE) return process.env.LEGALONE_CONTAINER_IMAGE;
    const images = await new Docker({ socketPath: socket }).listImages();
    return images.sort((a, b) => a.Size - b.Size)[0]?.Id;
  } catch {
    return undefined;
  }
}

const socket = containerSocket();
const image = await imageHere(socket);

if (socket === undefined || image === undefined) {
  describe("engine container", () => {
    test.skip("no container engine answers here, or it has no image", () => {});
  });
} else {
  const open = (attempts: string) =>
    new ContainerEngine({
      socket,
      attempts,
      workspace: `test-${process.pid}`,
      folders: [{ path: attempts, writable: true }],
      variables: {},
      ascend: { devices: [], driver: [] },
      env: { PATH: process.env.PATH },
    });
  engineConformance("container", {
    open,
    image,
    destroy: async (_engine, attempt) => {
      await new Docker({ socketPath: socket }).getContainer(attempt).remove({ force: true });
    },
  });

  test("an image that is not there ends the attempt with its reason", async () => {
    const attempts = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
    const engine = open(attempts);
    const attempt = `conformance-${process.pid}-noimage-e1`;
    const main = ["/bin/true"];
    await engine.start({
      attempt,
      epoch: 1,
      folder: `${attempts}/${attempt}`,
      job: {},
      main,
      env: {},
      image: "no/such:image",
    });
    expect(await engine.observe(attempt)).toMatchObject({
      state: "exited",
      exit: { code: 127, reason: "dispatch_failed", message: expect.stringContaining("no/such:image") },
    });
    await engine.forget(attempt);
  });
}
