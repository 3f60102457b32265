"""A published data set at rest: objects written once, and the snapshots that say which of them count."""
