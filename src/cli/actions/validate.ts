import { shown, throwProblems } from "../../config/form/problem.ts";
import { checkPipeline } from "../../config/load.ts";
import { ExitCode } from "../../core/errors.ts";
import { print } from "./output.ts";

export interface ValidateOptions {
  json?: boolean;
  set?: string[];
}

/** Checks the form of a pipeline file alone: nothing outside the checkout is looked at. Errors end with exit code 2. */
export function validate(file: string, { json, set = [] }: ValidateOptions): void {
  const { pipeline, problems } = checkPipeline(file, { set });
  if (json) {
    print(
      JSON.stringify({
        ok: pipeline !== null,
        file,
        pipeline: pipeline?.name ?? null,
        stages: pipeline?.stages.map(({ name }) => name) ?? [],
        errors: problems,
      }),
    );
    if (!pipeline) process.exitCode = ExitCode.usage;
    return;
  }
  throwProblems(file, problems);
  print(
    `${shown(file)} is valid: ${pipeline!.stages.length} stages, ${pipeline!.stages.map(({ name }) => name).join(" -> ")}`,
  );
}
