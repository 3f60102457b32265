"""Weakly supervised models, one file each. They operate on tensors only."""
