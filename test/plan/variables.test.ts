import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/config-file.ts";
import { neededVariables, standInsInEffect, standInVariables } from "../../src/plan/variables.ts";

describe("a stage of kind synthetic", () => {
  const config = (name: string) => readConfig("synthetic", name);
  const stage = (name: string) => ({ kind: "synthetic", with: { synthetic: config(name).value } });

  it("needs the addresses of its teacher and its judge, unless a stand-in answers", () => {
    expect(neededVariables(stage("legalone"))).toEqual(["LEGALONE_TEACHER_URL", "LEGALONE_JUDGE_URL"]);
    expect(neededVariables(stage("demo"))).toEqual([]);
    expect(standInsInEffect(config("demo").value, {})).toEqual(["scripted for LEGALONE_TEACHER_URL"]);
  });

  it("tells its worker for which addresses the plan counts on a stand-in", () => {
    expect(standInVariables(config("demo").value, {})).toEqual(["LEGALONE_TEACHER_URL"]);
    expect(standInVariables(config("demo").value, { LEGALONE_TEACHER_URL: "http://t/v1" })).toEqual([]);
    expect(standInVariables(config("legalone").value, {})).toEqual([]);
  });

  it("is the same stage under other addresses and at another pace, for the judge too", () => {
    const identity = JSON.stringify(config("legalone").identity);
    for (const name of ["base_url_env", "api_key_env", "concurrency", "timeout_seconds"])
      expect(identity).not.toContain(`"${name}"`);
    expect(identity).toContain('"revision":"2507"');
  });
});
