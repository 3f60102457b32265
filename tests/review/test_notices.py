"""Banner of the page: notices about the night, most severe first."""

from __future__ import annotations

import json
from typing import Any

from wsvad.nightly.coverage import CameraCoverage, Coverage, Unscored
from wsvad.nightly.drift_results import CameraDrift, Drift, EventDrift, ScoreDrift, ViewChange
from wsvad.review.notices import Notice, footage_notices, media_notices, night_notices, worst_first

MODEL = "sha256:a"


def report(*, unscored: tuple[Unscored, ...] = (), purged: int = 0, gone: int = 0, **flags: bool) -> dict[str, Any]:
    """Return the report of a night with one camera."""
    counts = {"listed": 9, "scored": 9, "short": 0, "failed": 0, "waiting": 0, "gone": gone, "purged": purged}
    coverage = Coverage((CameraCoverage("yard", **counts, footage_s=1.0, missing_s=0.0),), unscored)
    values = {name: flags.get(name, False) for name in ("drifted", "unusual", "moved", "covered")}
    drift = CameraDrift(
        "yard", "utc",
        ScoreDrift(None, None, "r", 9, 9, 0.5, 0.1, values["drifted"], "", "i"),
        EventDrift(9, 1.0, 9, 1.0, 0, 5, values["unusual"], ""),
        ViewChange("r", 9, 0.1, 0.1, values["moved"], values["covered"], None, None, "", "i"),
    )  # fmt: skip
    plain: dict[str, Any] = json.loads(
        json.dumps({"coverage": coverage.to_dict(), "drift": Drift(MODEL, (drift,)).to_dict()})
    )
    return plain


def codes(notices: list[Notice]) -> list[tuple[str, str]]:
    """Return level and code of each notice."""
    return [(notice["level"], notice["code"]) for notice in worst_first(notices)]


def test_no_notices():
    """There are none without problems, and none about the drift of another model."""
    assert night_notices(report(), MODEL) == []
    assert night_notices(report(drifted=True), "sha256:b") == []
    assert night_notices({}, MODEL) == []
    assert footage_notices(0.0, 0) == []
    assert media_notices({}) == []


def test_all_notices_in_order():
    """Failed, waiting and short videos, drift, moved and covered cameras, purged videos."""
    unscored = tuple(Unscored(f"yard/{state}.mp4", "yard", state, "k", "m") for state in ("failed", "waiting", "short"))
    bad = report(unscored=unscored, purged=2, gone=1, drifted=True, unusual=True, moved=True, covered=True)
    found = night_notices(bad, MODEL)
    assert codes(found) == [
        ("error", "failure"), ("error", "failure"), ("error", "drift"), ("warning", "coverage"), ("warning", "drift"),
        ("warning", "drift"), ("info", "purge"), ("info", "coverage"), ("info", "drift"),
    ]  # fmt: skip
    text = " ".join(notice.text for notice in found)
    assert "1 video without scores (cannot be processed): yard/failed.mp4" in text
    assert "2 videos of the archive purged" in text
    assert codes(footage_notices(3600.0, 2)) == [("warning", "coverage")]
    assert codes(media_notices({"e": "why"}, waiting=3)) == [("error", "media"), ("info", "media")]


def test_long_lists_are_truncated():
    """Five videos are named, the others are counted."""
    unscored = tuple(Unscored(f"v{n}", "yard", "failed", "k", "m") for n in range(40))
    (notice,) = night_notices(report(unscored=unscored), MODEL)
    assert notice.text.endswith("v0, v1, v2, v3, v4 and 35 more")
