// Wraps the functions and methods below as their modules are loaded.
const functions = {
  "records/cache.js": ["lookUpCache"],
  "records/happenings.js": ["commitHappenings"],
  "records/outbox.js": ["relayOutbox"],
  "records/ingest.js": ["ingestEvents"],
  "records/exits.js": ["recordExit"],
  "records/launches.js": ["readLaunch"],
  "records/nodes.js": ["syncNode"],
  "workflow/decide.js": ["decide"],
  "workflow/reconcile.js": ["reconcile"],
  "dispatch/agent/outputs.js": ["settle"],
};
const methods = {
  "records/snapshot.js": { SnapshotReader: ["read"] },
  "dispatch/agent/serve-client.js": { ServeClient: ["sync", "events", "exit"] },
  "dispatch/process/process-engine.js": { ProcessEngine: ["start", "observe", "forget"] },
  "dispatch/doorbell/bullmq-doorbell.js": { BullmqDoorbell: ["ring"] },
};

export async function load(url, context, next) {
  const loaded = await next(url, context);
  const [, path] = /\/dist\/(.*)$/.exec(url) ?? [];
  if (path === undefined || loaded.format !== "module") return loaded;
  let source = String(loaded.source);
  // The joined program has no modules to time: the compiled ones beside it are loaded in its place.
  if (path === "bin.js") source = source.replace(/"\.\/joined\/main-[^"]*"/, '"./cli/main.js"');
  for (const name of functions[path] ?? []) {
    const declared = new RegExp(`export (async )?function ${name}\\(`);
    if (!declared.test(source)) continue;
    source = source.replace(declared, `$1function traced_${name}(`);
    // A function declaration, so that imports that go round in a circle still find it.
    source += `\nexport function ${name}(...args) { return (${name}.t ??= globalThis.legaloneTrace("${name}", traced_${name}))(...args); }\n`;
  }
  for (const [type, names] of Object.entries(methods[path] ?? {}))
    for (const name of names)
      source += `\nif (${type}.prototype.${name}) ${type}.prototype.${name} = globalThis.legaloneTraceMethod("${type}.${name}", ${type}.prototype.${name});\n`;
  return { ...loaded, source };
}
