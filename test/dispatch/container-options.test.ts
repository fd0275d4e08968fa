import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { jobVariables } from "../../src/core/variables.ts";
import { containerOptions } from "../../src/dispatch/container/container-options.ts";

const [aa, bb] = ["a".repeat(64), "b".repeat(64)];
const place = {
  attempts: "/w/attempts",
  workspace: "abc",
  node: "n1",
  folders: ["/data"],
  variables: { LEGALONE_HOME: "/w" },
  ascend: { devices: ["/dev/davinci0", "/dev/davinci_manager"], driver: ["/etc/hccn.conf"] },
};
const launch = {
  attempt: "r1-sft-g1-s0-e2",
  epoch: 2,
  folder: "/w/attempts/r1-sft-g1-s0-e2",
  job: {
    inputs: [
      { kind: "model", uri: "file:///srv/models/qwen" },
      { kind: "corpus", uri: `file:///w/artifacts/${aa}` },
    ],
    resume: {
      uri: "file:///w/attempts/r1-sft-g1-s0-e1/step-4",
      older: [{ uri: `file:///w/artifacts/${bb}` }],
    },
    with: { lead: { teacher: { api_key_env: "TEACHER_TEST_KEY" } }, source: `${"$"}{CORPUS_TEST_FOLDER}/x` },
  },
  main: ["python", "-m", "stages.sft.run"],
  variables: ["CORPUS_TEST_FOLDER", "TEACHER_TEST_KEY"],
  env: { ASCEND_RT_VISIBLE_DEVICES: "0" },
  image: "worker@sha256:aa",
};

test("a container is named and labelled with its attempt, on the host's network, with NPUs and driver", () => {
  const options = containerOptions(launch, place);
  expect(options).toMatchObject({
    name: launch.attempt,
    Image: launch.image,
    WorkingDir: launch.folder,
    Labels: { "legalone.attempt": launch.attempt, "legalone.workspace": "abc", "legalone.node": "n1" },
    HostConfig: {
      NetworkMode: "host",
      Devices: [{ PathOnHost: "/dev/davinci0" }, { PathOnHost: "/dev/davinci_manager" }],
      RestartPolicy: { Name: "no" },
    },
  });
  expect(options.Cmd?.slice(-3)).toEqual(launch.main);
});

test("of the workspace its attempt is mounted, and what it reads, read-only; nothing else", () => {
  const mounted = () => containerOptions(launch, place).HostConfig?.Binds;
  const own = [`${launch.folder}:${launch.folder}:rw`, "/data:/data:ro"];
  const read = [
    "/srv/models/qwen",
    `/w/artifacts/${aa}`,
    "/w/attempts/r1-sft-g1-s0-e1/step-4",
    `/w/artifacts/${bb}`,
  ];
  const rest = [...read.map((path) => `${path}:${path}:ro`), "/etc/hccn.conf:/etc/hccn.conf:ro"];
  expect(mounted()).toEqual([...own, ...rest]);
  const folder = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    process.env.CORPUS_TEST_FOLDER = folder;
    expect(mounted()).toContain(`${folder}:${folder}:ro`);
    for (const hostile of ["/", "/etc/..", "relative", `${folder}/none`]) {
      process.env.CORPUS_TEST_FOLDER = hostile;
      expect(mounted()).toEqual([...own, ...rest]);
    }
  } finally {
    delete process.env.CORPUS_TEST_FOLDER;
    rmSync(folder, { recursive: true });
  }
});

test("what opens the workspace, or cannot be mounted, is refused before a container is made", () => {
  const home = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    symlinkSync(home, join(home, "data"));
    const attempts = join(home, "attempts");
    for (const folder of ["/", home, dirname(home), attempts, join(home, "postgres"), join(home, "data")])
      expect(() => containerOptions(launch, { ...place, attempts, folders: [folder] }), folder).toThrow(
        /is not mounted: it is, holds or lies in the workspace/,
      );
    const job = { inputs: [{ kind: "model", uri: "file:///srv/models/a:/etc" }] };
    expect(() => containerOptions({ ...launch, job }, place)).toThrow(/there is a ":" in it/);
    process.env.CORPUS_TEST_FOLDER = home;
    expect(containerOptions(launch, { ...place, attempts }).HostConfig?.Binds).not.toContain(
      `${home}:${home}:ro`,
    );
  } finally {
    delete process.env.CORPUS_TEST_FOLDER;
    rmSync(home, { recursive: true });
  }
});

test("what the agent believes of an attempt its container cannot write", () => {
  const home = mkdtempSync(join(tmpdir(), "legalone-test-"));
  try {
    const attempts = join(home, "attempts");
    const folder = join(attempts, launch.attempt);
    mkdirSync(join(folder, "prepare"), { recursive: true });
    for (const name of ["job.json", "launch.json", "engine.json"]) writeFileSync(join(folder, name), "{}");
    const binds = containerOptions({ ...launch, folder }, { ...place, attempts }).HostConfig?.Binds ?? [];
    expect(binds[0]).toBe(`${folder}:${folder}:rw`);
    for (const name of ["job.json", "launch.json", "engine.json", "prepare"].map((part) =>
      join(folder, part),
    ))
      expect(binds).toContain(`${name}:${name}:ro`);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("of the agent's environment it gets the variables its job names, and no others", () => {
  expect(jobVariables(launch.job, launch.variables)).toEqual(launch.variables);
  expect(jobVariables(launch.job)).toEqual([]);
  process.env.TEACHER_TEST_KEY = "k";
  process.env.UNRELATED_TEST_SECRET = "s";
  const { Env } = containerOptions(launch, place);
  expect(Env).toEqual([
    "LEGALONE_HOME=/w",
    "ASCEND_RT_VISIBLE_DEVICES=0",
    "LEGALONE_VARIABLES=CORPUS_TEST_FOLDER,TEACHER_TEST_KEY",
    "TEACHER_TEST_KEY=k",
  ]);
  delete process.env.TEACHER_TEST_KEY;
  delete process.env.UNRELATED_TEST_SECRET;
});
