import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, Exit, Launch } from "../../src/dispatch/engine.ts";
import { removeFolder } from "../support/remove-folder.ts";

export interface EngineUnderTest {
  /** A new engine on the folder of attempts, as a restarted agent would make it. */
  open(attempts: string): Engine;
  /** Kills everything of an attempt at once, as a power cut would. */
  destroy(engine: Engine, attempt: string, attempts: string): Promise<void>;
  image?: string;
}

let serial = 0;

/** What every engine must do. Workers are shell scripts: the engine is under test, not the worker. */
export function engineConformance(name: string, subject: EngineUnderTest): void {
  describe(`engine ${name}`, () => {
    let attempts: string;
    let engine: Engine;
    const started: string[] = [];

    beforeAll(() => {
      attempts = mkdtempSync(join(tmpdir(), "legalone-engine-"));
      engine = subject.open(attempts);
    });
    afterAll(async () => {
      for (const attempt of started) {
        await engine.stop(attempt, 0);
        await ended(attempt);
        await engine.forget(attempt);
      }
      removeFolder(attempts);
    });

    const launch = (script: string, more: Partial<Launch> = {}): Launch => {
      const attempt = `conformance-${process.pid}-s${serial++}-e1`;
      started.push(attempt);
      const folder = join(attempts, attempt);
      const main = ["/bin/sh", "-c", script];
      const image = subject.image === undefined ? {} : { image: subject.image };
      return { attempt, epoch: 1, folder, job: { attempt, epoch: 1 }, main, env: {}, ...image, ...more };
    };
    const start = async (script: string, more: Partial<Launch> = {}) => {
      const made = launch(script, more);
      await engine.start(made);
      return made;
    };
    const ended = async (attempt: string, by: Engine = engine): Promise<Exit | "lost"> => {
      for (;;) {
        const seen = await by.observe(attempt);
        if (seen.state === "exited") return seen.exit;
        if (seen.state === "lost") return "lost";
        await sleep(10);
      }
    };
    const text = (made: Launch, file: string) => readFileSync(join(made.folder, file), "utf8");
    const appears = (made: Launch, file: string) =>
      expect.poll(() => existsSync(join(made.folder, file))).toBe(true);

    test("runs main in the attempt's folder, with the job, its environment, and its output in files", async () => {
      const made = await start('cat job.json; echo "to $NAME" >&2; exit 0', {
        env: { NAME: "standard error" },
      });
      expect(await ended(made.attempt)).toMatchObject({ code: 0, signal: null });
      expect(JSON.parse(text(made, "stdout.log"))).toEqual({ attempt: made.attempt, epoch: 1 });
      expect(text(made, "stderr.log")).toBe("to standard error\n");
      expect(existsSync(join(made.folder, "output"))).toBe(true);
    });

    test("tells every exit code apart, and a signal from a code", async () => {
      const codes = [3, 64, 75, 77];
      const made = await Promise.all(codes.map((code) => start(`exit ${code}`)));
      for (const [i, { attempt }] of made.entries())
        expect(await ended(attempt)).toMatchObject({ code: codes[i], signal: null });
      const killed = await start("kill -KILL $$; sleep 5");
      expect(await ended(killed.attempt)).toMatchObject({ code: null, signal: "SIGKILL" });
    });

    test("a time stands at the exit", async () => {
      const before = Date.now();
      const { attempt } = await start("exit 0");
      const exit = (await ended(attempt)) as Exit;
      expect(Math.abs(Date.parse(exit.at) - before)).toBeLessThan(5000);
    });

    test("a program that is not there ends with 127", async () => {
      const { attempt } = await start("", { main: ["/bin/sh", "-c", "exec /no/such/program"] });
      expect(await ended(attempt)).toMatchObject({ code: 127 });
    });

    test("started twice, it runs once", async () => {
      const made = launch("echo ran >> runs; sleep 0.3");
      await Promise.all([engine.start(made), engine.start(made)]);
      await engine.start(made);
      await ended(made.attempt);
      await engine.start(made);
      await sleep(100);
      expect(text(made, "runs")).toBe("ran\n");
    });

    test("words reach the worker as they are", async () => {
      const odd = ["two words", "$HOME", "it's", '"q"', "*", "a\\b", ""];
      const made = await start("", { main: ["/bin/sh", "-c", 'printf "%s|" "$@"', "x", ...odd] });
      await ended(made.attempt);
      expect(text(made, "stdout.log")).toBe(odd.map((word) => `${word}|`).join(""));
    });

    test("prepare runs first, in the same folder", async () => {
      const prepare = ["/bin/sh", "-c", 'printf "%s" "$1" > order', "x", "made by 'prepare'"];
      const made = await start("cat order", { prepare });
      expect(await ended(made.attempt)).toMatchObject({ code: 0 });
      expect(text(made, "stdout.log")).toBe("made by 'prepare'");
    });

    test("a prepare that fails ends the attempt; main never runs", async () => {
      const made = await start("touch ran", { prepare: ["/bin/sh", "-c", "exit 65"] });
      expect(await ended(made.attempt)).toMatchObject({ code: 65 });
      expect(existsSync(join(made.folder, "ran"))).toBe(false);
    });

    test("stop sends TERM, and the worker has its grace", async () => {
      const made = await start(
        'trap "sleep 0.2; touch saved; exit 75" TERM; touch up; while :; do sleep 0.02; done',
      );
      await appears(made, "up");
      await engine.stop(made.attempt, 20);
      expect(await ended(made.attempt)).toMatchObject({ code: 75, signal: null });
      expect(existsSync(join(made.folder, "saved"))).toBe(true);
    });

    test("a worker deaf to TERM is killed at the end of its grace, with its children", async () => {
      const script =
        'trap "" TERM; (trap "" TERM; while :; do echo beat >> beats; sleep 0.05; done) & touch up; while :; do sleep 0.05; done';
      const made = await start(script);
      await appears(made, "beats");
      const began = Date.now();
      await engine.stop(made.attempt, 0.5);
      expect(await ended(made.attempt)).toMatchObject({ code: null, signal: "SIGKILL" });
      expect(Date.now() - began).toBeGreaterThanOrEqual(500);
      const beats = text(made, "beats").length;
      await sleep(200);
      expect(text(made, "beats").length).toBe(beats);
    });

    test("a worker that is asked to stop during prepare does not begin main", async () => {
      const prepare = ["/bin/sh", "-c", 'trap "exit 0" TERM; touch up; while :; do sleep 0.02; done'];
      const made = await start("touch ran", { prepare });
      await appears(made, "up");
      await engine.stop(made.attempt, 20);
      await ended(made.attempt);
      expect(existsSync(join(made.folder, "ran"))).toBe(false);
    });

    test("stopping twice, or after the end, or what never was, does no harm", async () => {
      const made = await start(
        'trap "echo term >> terms; exit 75" TERM; touch up; while :; do sleep 0.02; done',
      );
      await appears(made, "up");
      await Promise.all([engine.stop(made.attempt, 20), engine.stop(made.attempt, 20)]);
      expect(await ended(made.attempt)).toMatchObject({ code: 75 });
      await engine.stop(made.attempt, 0);
      expect(await ended(made.attempt)).toMatchObject({ code: 75 });
      expect(text(made, "terms")).toBe("term\n");
      await engine.stop("never-was-s0-e1", 0);
    });

    test("a new engine adopts what runs, and what ended meanwhile", async () => {
      const running = await start('trap "exit 75" TERM; touch up; while :; do sleep 0.02; done');
      const over = await start("exit 7");
      await appears(running, "up");
      await ended(over.attempt);
      const later = subject.open(attempts);
      expect(await later.adopt()).toEqual(expect.arrayContaining([running.attempt, over.attempt]));
      expect(await later.observe(running.attempt)).toEqual({ state: "running" });
      expect(await ended(over.attempt, later)).toMatchObject({ code: 7 });
      await later.start(running);
      await later.stop(running.attempt, 20);
      expect(await ended(running.attempt, later)).toMatchObject({ code: 75 });
    });

    test("a new engine goes on with a stop that the old one began", async () => {
      const made = await start('trap "" TERM; touch up; while :; do sleep 0.05; done');
      await appears(made, "up");
      await engine.stop(made.attempt, 1);
      const later = subject.open(attempts);
      await later.adopt();
      expect(await ended(made.attempt, later)).toMatchObject({ signal: "SIGKILL" });
    });

    test("what was destroyed, or never started, is lost, and stays so", async () => {
      const made = await start("touch up; sleep 60");
      await appears(made, "up");
      await subject.destroy(engine, made.attempt, attempts);
      expect(await ended(made.attempt)).toBe("lost");
      await engine.start(made);
      expect(await ended(made.attempt)).toBe("lost");
      expect(await engine.observe("never-was-s0-e1")).toEqual({ state: "lost" });
    });

    test("what is forgotten is not adopted again; its files stay", async () => {
      const made = await start("echo kept");
      await ended(made.attempt);
      await engine.forget(made.attempt);
      await engine.forget(made.attempt);
      expect(await subject.open(attempts).adopt()).not.toContain(made.attempt);
      expect(text(made, "stdout.log")).toBe("kept\n");
    });
  });
}
