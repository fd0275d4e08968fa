import { type Command, Option } from "commander";
import { address, places } from "../values.ts";

export function define(command: Command): void {
  command
    .option("--node <name>", "name of this node; the default is LEGALONE_NODE or the host name")
    .addOption(
      new Option("--serve <url>", "control plane on another machine, with its token in LEGALONE_TOKEN")
        .env("LEGALONE_SERVE_URL")
        .argParser(address),
    )
    .addOption(
      new Option("--slots <number>", "workers without NPUs that may run here at once")
        .env("LEGALONE_SLOTS")
        .argParser(places)
        .default(1),
    )
    .action(async () => {
      const { runAgent } = await import("../actions/agent.ts");
      await runAgent(command.optsWithGlobals());
    });
}
