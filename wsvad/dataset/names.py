"""Numbers that options default to; loads nothing, for whoever only asks."""

from __future__ import annotations

DEFAULT_GRACE_HOURS = 168.0
"""Hours for which a collection of garbage keeps what was written, or was named by the newest snapshot."""
