import { expect, test } from "vitest";
import { containerOptions } from "../../src/dispatch/container/container-options.ts";
import { variablesOf } from "../../src/dispatch/container/worker-variables.ts";

const place = {
  attempts: "/w/attempts",
  workspace: "abc",
  node: "n1",
  folders: [{ path: "/w", writable: true }],
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
      { kind: "corpus", uri: "file:///w/artifacts/aa" },
    ],
    with: { lead: { teacher: { api_key_env: "TEACHER_TEST_KEY" } }, source: `${"$"}{CORPUS_TEST_FOLDER}/x` },
  },
  main: ["python", "-m", "stages.sft.run"],
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

test("the workspace is mounted, the driver read-only, and inputs from outside it", () => {
  expect(containerOptions(launch, place).HostConfig?.Binds).toEqual([
    "/w:/w:rw",
    "/srv/models/qwen:/srv/models/qwen:ro",
    "/etc/hccn.conf:/etc/hccn.conf:ro",
  ]);
});

test("of the agent's environment it gets the variables its job names, and no others", () => {
  expect(variablesOf(launch.job)).toEqual(["CORPUS_TEST_FOLDER", "TEACHER_TEST_KEY"]);
  process.env.TEACHER_TEST_KEY = "k";
  process.env.UNRELATED_TEST_SECRET = "s";
  const { Env } = containerOptions(launch, place);
  expect(Env).toEqual(["LEGALONE_HOME=/w", "ASCEND_RT_VISIBLE_DEVICES=0", "TEACHER_TEST_KEY=k"]);
  delete process.env.TEACHER_TEST_KEY;
  delete process.env.UNRELATED_TEST_SECRET;
});
