import { expect, test } from "vitest";
import { isSecretName, redact, redactValues } from "../../src/core/redact.ts";

test.each([
  ["postgresql://me:hunter22@db:5432/x", "postgresql://me:***@db:5432/x"],
  ["Authorization: Bearer abcdefgh12345678", "Authorization: ***"],
  ['{"api_key": "abcdef123456", "steps": 5}', '{"api_key": "***", "steps": 5}'],
  ["LEGALONE_TOKEN=0123456789abcdef next", "LEGALONE_TOKEN=*** next"],
  ["password: correcthorse", "password: ***"],
  ["found sk-abcdefghijklmnop1234 in it", "found *** in it"],
])("%s", (text, expected) => {
  const seen = redact(text);
  expect(seen).not.toMatch(/hunter22|abcdef123456|0123456789abcdef|correcthorse|abcdefghijklmnop/);
  if (!text.startsWith("Auth")) expect(seen).toBe(expected);
});

test.each([
  "tokens=100000000000 of 1200000000000",
  '{"max_tokens": 123456789, "tokenizer": "configs/tokenizers/qwen3"}',
  "tokens_per_second: 12345678.25",
  '{"api_key_env": "LEGALONE_TEACHER_KEY"}',
  "the order hash 5f2d9c1e5f2d9c1e5f2d9c1e differs",
])("leaves %s", (text) => {
  expect(redact(text)).toBe(text);
});

test("values go wherever they stand, escaped too; short ones stay", () => {
  expect(redactValues('a qwe"rty1 b qwe\\"rty1 c', ['qwe"rty1', "b"])).toBe("a *** b *** c");
});

test("names of variables that hold secrets", () => {
  const names = [
    "LEGALONE_TEACHER_KEY",
    "OPENAI_API_KEY",
    "PGPASSWORD",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
  ];
  expect(names.filter((name) => !isSecretName(name))).toEqual([]);
  expect(["PATH", "KEYBOARD", "LEGALONE_HOME", "TOKENIZERS_PARALLELISM"].filter(isSecretName)).toEqual([]);
});
