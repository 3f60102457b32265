"""Training: the loop, its state, selection on held-out videos; run.py alone speaks to Ray Train."""
