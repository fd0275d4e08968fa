import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { checkPipeline } from "../../src/config/load.ts";
import { packageRoot } from "../../src/core/paths.ts";

afterEach(() => vi.unstubAllEnvs());

function problemsOf(source: object): string[] {
  const stage = { uses: "corpus", with: { corpus: { sources: [source] } } };
  const text = JSON.stringify({ version: 1, name: "x", stages: { corpus: stage } });
  const { pipeline, problems } = checkPipeline(join(packageRoot, "pipelines", "x.yaml"), { text });
  expect(pipeline).toBeNull();
  return problems.map((problem) => JSON.stringify(problem));
}

test.each([
  ["${OPENAI_API_KEY}/*.txt", /may not name the variable OPENAI_API_KEY/],
  ["${LEGALONE_TOKEN}/x", /may not name the variable LEGALONE_TOKEN/],
  ["${HOME}/.ssh/id_rsa", /may not name the variable HOME/],
  ["${OPENAI_API_KEY}*.txt", /stands for a folder at the beginning/],
  ["${LEGALONE_CORPUS}*.txt", /stands for a folder at the beginning/],
  ["data://${LEGALONE_TEACHER_KEY}", /stands for a folder at the beginning/],
  ["${LEGALONE_CORPUS}/${LEGALONE_TEACHER_KEY}/x", /stands for a folder at the beginning/],
  ["/x/${openai_api_key}", /stands for a folder at the beginning/],
])("an address with a variable that a job may not have is refused at its place: %s", (path, message) => {
  for (const name of ["OPENAI_API_KEY", "LEGALONE_TOKEN", "HOME", "LEGALONE_TEACHER_KEY", "LEGALONE_CORPUS"])
    vi.stubEnv(name, "/tmp/value-of-it");
  const problems = problemsOf({ name: "a", path });
  expect(problems.find((problem) => message.test(problem))).toMatch(/"line":1.*stages\.corpus\.with/);
  expect(problems.join()).not.toContain("value-of-it");
});

test("names of keys and addresses are held to the same list", () => {
  const text = JSON.stringify({
    version: 1,
    name: "x",
    stages: {
      rl: {
        uses: "rl",
        with: { server: { api_key_env: "AWS_SECRET_ACCESS_KEY", base_url_env: "LEGALONE_ROLLOUT_URL" } },
      },
    },
  });
  const { problems } = checkPipeline(join(packageRoot, "pipelines", "x.yaml"), { text });
  const said = problems.map(({ message }) => message).filter((message) => message.includes("may not name"));
  expect(said).toEqual(["a job may not name the variable AWS_SECRET_ACCESS_KEY"]);
});
