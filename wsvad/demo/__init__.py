"""Small rendered surveillance-like videos, with which new users can try the package without data."""
