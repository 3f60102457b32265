"""Tests mirror the source tree; a name states the claim."""
