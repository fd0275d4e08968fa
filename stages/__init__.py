"""What runs on a node: one folder a stage kind, and the library they share in `_worker`."""
