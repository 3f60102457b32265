"""Evaluation metrics and their confidence intervals, shared by training and evaluation."""
