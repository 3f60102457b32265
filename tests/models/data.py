"""Reference data computed with the public RTFM code (``tianyu0207/RTFM`` at cf938f4c)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"


def rtfm_reference() -> dict[str, np.ndarray]:
    """Return the inputs and the value of its loss."""
    with np.load(DATA / "rtfm.npz") as arrays:
        return dict(arrays)
