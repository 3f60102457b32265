"""Public weight files: catalogue, download, and readers of the formats of other frameworks."""
