"""Comparisons and ablations: train, score and evaluate several models with several seeds, and tabulate the results."""
