"""Published data sets in a store: immutable objects, and snapshots that list the valid ones."""
