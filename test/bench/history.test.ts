import { expect, test, vi } from "vitest";
import { main } from "./history/main.ts";

// The bench is run seldom: this tells when it has been left behind.
test("the bench writes a small history and measures with it", async () => {
  const said: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  const sizes = { attempts: 220, events: 3000, runs: 2, waiting: 30, open: 50, looks: 2 };
  const words = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  await main([...words, "--no-commands", "--json"]).finally(() => write.mockRestore());
  // Targets are for a quiet machine.
  process.exitCode = 0;
  const told = JSON.parse(said.join("").trim().split("\n").at(-1)!);
  // Two live ones, and those that the look after the submit opened.
  expect(told.rows.Attempt).toBeGreaterThanOrEqual(220 + 30 + 1 + 2);
  expect(told.rows.Run).toBe(2 + 2 + 1);
  expect(Math.abs(told.rows.Event - sizes.events)).toBeLessThan(600);
  expect(told.measured.map(({ ms }: { ms: number }) => ms > 0)).toEqual(Array(6).fill(true));
  expect(told.measured[0].withoutMs).toBeGreaterThan(0);
}, 240_000);
