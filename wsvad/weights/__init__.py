"""Public weight files: which there are, how to get them, and how to read the layouts that other programs wrote."""
