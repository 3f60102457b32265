"""Manifests of the public data sets, from their published annotation files."""
