"""The whole chain on an anomaly of known strength: train, score, evaluate.

Of the models those that train in seconds; all of them learn a planted signal in ``tests/models``. What they see is
random features with a signal that is known, so the figures at the end are known, too: chance
where there is none, close to 1 where it is plain.
"""

import json

import pytest

from tests.experiments.planted import plant
from wsvad.cli import main

MODELS = ("sultani", "st_mil")
SPATIAL = ("st_mil",)
TRAINING = ("--steps", "60", "--pairs", "8", "--segments", "16", "--val-fraction", "0", "--eval-every", "60")


def figures(folder, strength, capsys):
    """The table of all models, one seed, on a data set of that strength."""
    planted = plant(folder, strength)
    words = ["compare", "--features", planted.features, "--manifest", planted.manifest, "--out", str(folder / "out")]
    assert main([*words, "--models", ",".join(MODELS), "--seeds", "1", *TRAINING, "--no-ray", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["rows"]


@pytest.mark.parametrize("strength", [0.0, 4.0])
def test_figures_are_chance_without_a_signal_and_close_to_one_with_a_plain_one(strength, tmp_path, capsys):
    """Frame AUC of every model, and region AUC of those that score cuboids."""
    rows = figures(tmp_path, strength, capsys)
    assert set(rows) == set(MODELS)
    for name, row in rows.items():
        found = {metric: row[metric]["mean"] for metric in ("frame_auc", "region_auc")}
        assert (found["region_auc"] is not None) == (name in SPATIAL)
        for metric, value in found.items():
            if value is not None:
                low, high = (0.9, 1.0) if strength else (0.35, 0.65)
                assert low <= value <= high, f"{name}: {metric} {value:.3f} at strength {strength:g}"
