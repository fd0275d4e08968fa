/**
 * Settings of the embedded server, for one machine and a few dozen connections over a unix socket.
 * A committed row survives a power cut. Only daemons that end with their owner (tests) skip the disk.
 */
export function postgresSettings(socketFolder: string, throwaway: boolean): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "",
    // A list: quoted, so that a comma in the path divides nothing.
    unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`,
    unix_socket_permissions: "0700",
    // 1 % of the memory of a small laptop; the operating system caches the rest.
    shared_buffers: throwaway ? "16MB" : "128MB",
    max_connections: "64",
    // No replicas: less is logged, and bulk writes into new tables skip the log.
    wal_level: "minimal",
    max_wal_senders: "0",
    max_wal_size: "1GB",
    checkpoint_timeout: "15min",
    // Rows are small and queries short: compiling queries and reading ahead in other processes costs more.
    jit: "off",
    io_method: "sync",
    max_parallel_workers_per_gather: "0",
    random_page_cost: "1.1",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
    // A transaction left open by a stuck client would hold row locks of a shard for ever.
    idle_in_transaction_session_timeout: "60s",
  };
  // Still safe when the server is killed: the system has the data. Only a power cut would lose it.
  if (throwaway) Object.assign(settings, { fsync: "off", full_page_writes: "off" });
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
