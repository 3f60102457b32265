"""Features data sets: configuration, encoding, reading, and caches on a node."""
