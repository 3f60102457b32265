"""Weakly supervised models, one file each; they know tensors and nothing else."""
