"""Verify what jobs wrote: feature and score data sets, training runs, checkpoints, sweeps."""
