import { expect, it } from "vitest";
import { dataFolder, packageRoot } from "../../src/core/paths.ts";
import { isThere, outsidePath } from "../../src/plan/outside.ts";

it("reads addresses as the workers do", () => {
  expect(outsidePath("data://a/b.db")).toBe(`${dataFolder()}/a/b.db`);
  expect(outsidePath("file:///a%20b")).toBe("/a b");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the address itself has a variable.
  expect(outsidePath("${CORPUS}/x.jsonl", { CORPUS: "/big" })).toBe("/big/x.jsonl");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as above.
  expect(outsidePath("${CORPUS}/x.jsonl", {})).toBeNull();
  expect(outsidePath("LICENSE")).toBe(`${packageRoot}/LICENSE`);
});

it("looks for the folder above a wildcard", () => {
  expect(isThere(`${packageRoot}/src/*.ts`)).toBe(true);
  expect(isThere(`${packageRoot}/nowhere/*.ts`)).toBe(false);
});
