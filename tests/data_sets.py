"""Real surveillance video for tests; its licence allows research, but not redistribution with the code."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA_SETS = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Folder of SurvFight and UCSD Ped2, next to the checkout."""

needs_data_sets = pytest.mark.skipif(
    not DATA_SETS.is_dir(), reason=f"needs SurvFight and UCSD Ped2 in {DATA_SETS}, which does not exist"
)
