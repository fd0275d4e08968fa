import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContainerEngine } from "../../src/dispatch/container/container-engine.ts";
import { containerPlace } from "../../src/dispatch/container/container-place.ts";
import { containerSocket } from "../../src/dispatch/container/container-socket.ts";
import { DockerStandIn } from "../support/docker-stand-in.ts";
import { removeFolder } from "../support/remove-folder.ts";
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

const openOn = (socketPath: string) => (attempts: string) =>
  new ContainerEngine({
    socket: socketPath,
    attempts,
    workspace: `test-${process.pid}`,
    node: "n1",
    folders: [],
    variables: {},
    ascend: { devices: [], driver: [] },
    env: { PATH: process.env.PATH },
  });

function suite(name: string, socketPath: string, imageName: string): void {
  const open = openOn(socketPath);
  engineConformance(name, {
    open,
    image: imageName,
    destroy: async (_engine, attempt) => {
      await new Docker({ socketPath }).getContainer(attempt).remove({ force: true });
    },
  });

  test(`engine ${name}: an image that is not there ends the attempt with its reason`, async () => {
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

if (socket === undefined || image === undefined) {
  describe("engine container", () => {
    test.skip("no container engine answers here, or it has no image", () => {});
  });
} else suite("container", socket, image);

const folder = mkdtempSync(join(tmpdir(), "legalone-docker-"));
const standIn = new DockerStandIn(join(folder, "docker.sock"));
beforeAll(() => standIn.open());
afterAll(async () => {
  standIn.killAll();
  await standIn.close();
  removeFolder(folder);
});
suite("container (stand-in for Docker)", standIn.socket, "any");

describe("a container engine that others use too", () => {
  const launch = (attempts: string, attempt: string, script: string) => ({
    ...{ attempt, epoch: 1, folder: join(attempts, attempt), job: { epoch: 1 }, env: {}, image: "any" },
    main: ["/bin/sh", "-c", script],
  });

  test("a container of this name that is another workspace's is neither taken, stopped nor removed", async () => {
    const attempts = join(folder, "other");
    const strangers = new ContainerEngine({
      socket: standIn.socket,
      attempts: join(folder, "theirs"),
      workspace: "another",
      node: "n1",
      folders: [],
      variables: {},
      ascend: { devices: [], driver: [] },
      env: { PATH: process.env.PATH },
    });
    const attempt = "r1-base-g1-s0-e1";
    await strangers.start(launch(join(folder, "theirs"), attempt, "sleep 60"));
    expect(await strangers.observe(attempt)).toEqual({ state: "running" });
    const engine = openOn(standIn.socket)(attempts);
    await engine.start(launch(attempts, attempt, "exit 0"));
    expect(await engine.observe(attempt)).toMatchObject({
      exit: { reason: "dispatch_failed", message: expect.stringContaining("another") },
    });
    await engine.stop(attempt, 0);
    await engine.forget(attempt);
    expect(await strangers.observe(attempt)).toEqual({ state: "running" });
    await strangers.forget(attempt);
  });

  test("containers of a workspace that is moved go on with it; those of a copy's original are left alone", async () => {
    const home = join(folder, "before");
    mkdirSync(home);
    writeFileSync(join(home, "workspace.json"), JSON.stringify({ id: "of-its-own" }));
    const at = (where: string) =>
      new ContainerEngine({
        ...{ socket: standIn.socket, attempts: join(where, "attempts"), node: "n1" },
        ...{ ...containerPlace(where), folders: [], env: { PATH: process.env.PATH } },
      });
    const [attempt, late] = ["r1-move-g1-s0-e1", "r1-move-g1-s1-e1"];
    const script = "touch up; while [ ! -e go ]; do sleep 0.02; done; echo moved >> stdout.log; exit 7";
    const engine = at(home);
    await engine.start(launch(join(home, "attempts"), attempt, script));
    const prepare = ["/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"];
    await engine.start({ ...launch(join(home, "attempts"), late, "exit 0"), prepare });
    await expect.poll(() => existsSync(join(home, "attempts", attempt, "up"))).toBe(true);
    const copy = join(folder, "copy");
    cpSync(home, copy, { recursive: true });
    const copied = at(copy);
    expect(await copied.observe(attempt)).not.toEqual({ state: "running" });
    await copied.stop(attempt, 0);
    await copied.forget(attempt);
    const moved = join(folder, "after");
    renameSync(home, moved);
    const next = at(moved);
    expect((await next.adopt()).sort()).toEqual([attempt, late]);
    expect(await next.observe(attempt)).toEqual({ state: "running" });
    for (const name of [attempt, late]) writeFileSync(join(moved, "attempts", name, "go"), "");
    await expect.poll(() => next.observe(attempt)).toMatchObject({ exit: { code: 7 } });
    expect(readFileSync(join(moved, "attempts", attempt, "stdout.log"), "utf8")).toBe("moved\n");
    await expect
      .poll(() => next.observe(late))
      .toMatchObject({ exit: { reason: "dispatch_failed", message: expect.stringContaining("was moved") } });
    for (const name of [attempt, late]) await next.forget(name);
    expect(standIn.containers.has(attempt)).toBe(false);
    expect(existsSync(home)).toBe(false);
  });

  test("a node finds its own containers, not those of another node of the workspace", async () => {
    const attempts = join(folder, "shared");
    const first = openOn(standIn.socket)(attempts);
    const second = new ContainerEngine({
      ...{ socket: standIn.socket, attempts, workspace: `test-${process.pid}`, node: "n2", folders: [] },
      ...{ variables: {}, ascend: { devices: [], driver: [] }, env: { PATH: process.env.PATH } },
    });
    await first.start(launch(attempts, "r1-base-g1-s0-e1", "sleep 60"));
    await second.start(launch(attempts, "r1-base-g1-s1-e1", "sleep 60"));
    expect(await first.adopt()).toEqual(["r1-base-g1-s0-e1"]);
    expect(await second.adopt()).toEqual(["r1-base-g1-s1-e1"]);
    await expect(second.observe("r1-base-g1-s0-e1")).rejects.toMatchObject({ code: "E_NODE" });
    await second.stop("r1-base-g1-s0-e1", 0);
    await second.forget("r1-base-g1-s0-e1");
    expect(await first.observe("r1-base-g1-s0-e1")).toEqual({ state: "running" });
    await first.forget("r1-base-g1-s0-e1");
    await second.forget("r1-base-g1-s1-e1");
  });

  test("one that does not answer is away; nothing of it is lost, and a stop is asked again", async () => {
    const attempts = join(folder, "away");
    const engine = openOn(standIn.socket)(attempts);
    const attempt = "r1-base-g1-s0-e1";
    await engine.start(
      launch(attempts, attempt, 'trap "exit 75" TERM; touch up; while :; do sleep 0.02; done'),
    );
    await expect.poll(() => existsSync(join(attempts, attempt, "up"))).toBe(true);
    await standIn.close();
    await expect(engine.observe(attempt)).rejects.toMatchObject({ name: "EngineAway" });
    await expect(engine.stop(attempt, 20)).rejects.toMatchObject({ name: "EngineAway" });
    await standIn.open();
    expect(await engine.observe(attempt)).toEqual({ state: "running" });
    await engine.stop(attempt, 20);
    await expect.poll(() => engine.observe(attempt)).toMatchObject({ exit: { code: 75 } });
    await engine.forget(attempt);
  });
});
