"""Small surveillance-like videos that the project renders itself, so that a stranger can try it without any data."""
