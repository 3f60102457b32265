"""Training: one loop, from a segment cache to a checkpoint, alone or on Ray Train."""
