"""Evaluation: compute metrics of scores against ground truth, and write a report."""
