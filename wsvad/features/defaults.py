"""Default values of options, in a module without imports of libraries."""

from __future__ import annotations

MIN_COVERAGE = 99.0
"""Default minimum percentage of a video's clips."""
