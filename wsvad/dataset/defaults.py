"""Defaults of options, in a module without imports so that help texts load quickly."""

from __future__ import annotations

DEFAULT_GRACE_HOURS = 168.0
"""Hours for which garbage collection keeps objects after they were written or referenced by the newest snapshot."""
