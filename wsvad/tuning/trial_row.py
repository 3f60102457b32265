"""Rows of the trials table of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Value = int | float | str | bool


@dataclass(frozen=True)
class TrialRow:
    """One configuration with one seed."""

    number: int
    seed: int
    stage: str
    values: Mapping[str, Value]
    status: str
    steps: int
    value: float | None
    seconds: float
    node: str = ""
    error: str = ""
