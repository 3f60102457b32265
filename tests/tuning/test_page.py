"""The report of a sweep: its content, escaping of names, and any number of trials."""

from __future__ import annotations

import html.parser
import re

import numpy as np
import pytest

from wsvad.tuning.importance import importances
from wsvad.tuning.page import sweep_page
from wsvad.tuning.space import Parameter
from wsvad.tuning.summary import Finalist, TuneSummary
from wsvad.tuning.trial_row import TrialRow

LR = Parameter("lr", "training", low=1e-4, high=1e-2, log=True)
K = Parameter("k", "setting", (2, 3, 4))
FLAG = Parameter("dynamic_labels", "setting", (True, False))
ALPHA = Parameter("label_alpha", "setting", low=0.0, high=1.0, when={"dynamic_labels": (True,)})
SPACE = (LR, K, FLAG, ALPHA)


def simulated(number: int, noise: float = 0.01, seed: int = 0) -> list[TrialRow]:
    """Return trials whose value depends on the learning rate only."""
    rng = np.random.default_rng(seed)
    rows = []
    for trial in range(number):
        values = {"lr": float(10 ** rng.uniform(-4, -2)), "k": int(rng.choice([2, 3, 4]))}
        values["dynamic_labels"] = bool(rng.random() < 0.5)
        if values["dynamic_labels"]:
            values["label_alpha"] = float(rng.random())
        figure = 0.8 - 0.1 * (np.log10(values["lr"]) + 3) ** 2 + rng.normal() * noise
        rows.append(TrialRow(trial, 0, "screening", values, "done", 60, float(figure), 3600.0, "node-1"))
    return rows


def summary(rows: list[TrialRow], **more: object) -> TuneSummary:
    """Return the summary of these rows."""
    plain = {"out": "file:///out", "model": "ltgs", "metric": "frame_auc", "features_made_by": "i3d", "banner": ""}
    numbers = {"trials": len(rows), "jobs": len(rows), "done": len(rows), "begun": len(rows)}
    return TuneSummary(**{**plain, **numbers, **more})


class _Elements(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_content():
    """Three estimates, a line per configuration, a scatter plot per parameter, importance, totals."""
    rows = simulated(60)
    rows.append(
        TrialRow(60, 0, "screening", rows[0].values, "diverged", 3, None, 1.0, "node-2", "not finite at step 3")
    )
    finalists = (Finalist(7, rows[7].values, 0.79, 0.771, 0.012, (0.76, 0.78)),)
    page = sweep_page(
        rows,
        SPACE,
        summary(rows, best=7, naive=0.812, corrected=0.785, low=0.7, high=0.86, finalists=finalists),
    ).decode()
    for text in ("0.812", "0.785", "0.700 to 0.860", "0.771", "± 0.012", "2 seeds", "node-1, node-2", "60.00 h"):
        assert text in page
    assert page.count('<polyline class="trial"') == 59
    assert page.count('<polyline class="trial best"') == 1
    assert page.count('<svg class="chart"') == len(SPACE)
    assert page.count('<svg class="share"') == len(SPACE)
    assert "not finite at step 3" in page


@pytest.mark.parametrize("number", [0, 1, 2, 2000])
def test_any_number_of_trials(number):
    """None, one, and more than are drawn."""
    rows = simulated(number)
    page = sweep_page(rows, SPACE, summary(rows, best=0 if number else None)).decode()
    assert len(re.findall(r'<polyline class="trial(?: best)?"', page)) in (number, 400, 401)
    assert len(page) < 1_000_000
    if number < 12:
        assert 'class="share"' not in page


def test_one_and_many_parameters():
    """Every parameter has an axis."""
    for many in (1, 12):
        space = [Parameter(f"p{n}", "setting", low=0.0, high=1.0) for n in range(many)]
        rng = np.random.default_rng(0)
        rows = [
            TrialRow(
                n, 0, "screening", {p.name: float(rng.random()) for p in space}, "done", 1, float(rng.random()), 1.0
            )
            for n in range(40)
        ]
        page = sweep_page(rows, space, summary(rows, best=3)).decode()
        assert page.count('<svg class="chart"') == many


def test_names_are_escaped():
    """Hostile names of nodes, parameters, choices and errors are text; they add no script, style or handler."""
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m"
    space = [Parameter(bad, "setting", (bad, "b"))]
    rows = [TrialRow(n, 0, "screening", {bad: (bad, "b")[n % 2]}, "done", 1, n / 20, 1.0, bad) for n in range(20)]
    rows.append(TrialRow(20, 0, "screening", {bad: bad}, "failed", 0, None, 1.0, bad, bad))
    page = sweep_page(rows, space, summary(rows, banner=bad, note=bad, best=1, values={bad: bad})).decode()
    elements = _Elements(page)
    assert not {"script", "img", "iframe", "link", "object"} & set(elements.names)
    assert not [name for name in elements.attributes if name.startswith("on") or name == "style"]
    assert "\x1b" not in page


def test_importance_of_the_decisive_parameter():
    """The only decisive parameter has nearly all importance; for pure noise none is reported."""
    found = importances(SPACE, [(row.values, row.value) for row in simulated(120)])
    assert found.parameters[0].name == "lr"
    assert found.parameters[0].share > 0.6
    assert all(one.share < 0.1 for one in found.parameters[1:])
    assert all(0 <= one.low <= one.share <= one.high <= 1 for one in found.parameters)
    rng = np.random.default_rng(1)
    noise = importances(SPACE, [(row.values, float(rng.normal())) for row in simulated(120)])
    assert "no more of the figure than noise" in noise.reason
    assert "12 are needed" in importances(SPACE, [(row.values, row.value) for row in simulated(11)]).reason
    assert importances(SPACE, [(row.values, 0.5) for row in simulated(20)]).reason == "all trials have the same figure"
