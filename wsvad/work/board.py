"""What workers cannot know by themselves: tries so far, and who is how far. Light, because an actor imports it."""

from __future__ import annotations

from collections import Counter


class Board:
    """The books of one run. It runs as an actor beside the driver and is gone with it; nothing depends on it later."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[int, str]] = Counter()
        self._clips: dict[str, int] = {}

    def begin(self, round_number: int, unit_id: str, limit: int) -> bool:
        """Count a try; ``False`` where there were enough of them in this round."""
        self._tries[round_number, unit_id] += 1
        return self._tries[round_number, unit_id] <= limit

    def report(self, unit_id: str, clips: int) -> None:
        """Note how many clips of a unit are finished; a lost report costs nothing but a smoother bar."""
        self._clips[unit_id] = clips

    def read(self) -> dict[str, int]:
        """Return the clips finished so far of every unit that was ever begun."""
        return dict(self._clips)
