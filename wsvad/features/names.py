"""Numbers that options default to; loads nothing, for whoever only asks."""

from __future__ import annotations

MIN_COVERAGE = 99.0
"""Percent of a video's clips that must be there, by default."""
