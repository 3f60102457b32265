"""Warning about metrics of whole videos over very few videos."""

from __future__ import annotations

FEW = 5
"""Number of videos of a class below which a video-level AUC is printed with a warning."""


def few_videos(anomalous: int, normal: int) -> str:
    """Return a warning about an AUC over these videos; empty if there are enough, or one class only and so no AUC."""
    if not anomalous or not normal or min(anomalous, normal) >= FEW:
        return ""
    return f"only {anomalous} anomalous and {normal} normal, so this may be chance"
