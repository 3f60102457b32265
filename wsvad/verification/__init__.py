"""Prove what a job wrote: data sets of features and scores, training runs, checkpoints."""
