"""Training of the embedded backbone on rendered video, with exact ground truth for every body in it."""
