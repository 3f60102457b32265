"""Reads what extraction published: one video at a time, or a whole data set held once per node."""
