"""The whole pipeline on an anomaly of known strength: train, score, evaluate.

Uses the models that train in seconds; ``tests/models`` shows that all of them learn a planted signal. The features are
random with a known signal, so the metrics are known, too: chance level without a signal, close to 1 with a strong one.
"""

import json

import pytest

from tests.experiments.planted import plant
from wsvad.cli import main

MODELS = ("sultani", "st_mil")
SPATIAL = ("st_mil",)
TRAINING = ("--steps", "60", "--pairs", "8", "--segments", "16", "--val-fraction", "0", "--eval-every", "60")


def figures(folder, strength, capsys):
    """The table of all models for one seed, on a data set with that strength."""
    planted = plant(folder, strength)
    words = ["compare", "--features", planted.features, "--manifest", planted.manifest, "--out", str(folder / "out")]
    assert main([*words, "--models", ",".join(MODELS), "--seeds", "1", *TRAINING, "--no-ray", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["rows"]


@pytest.mark.parametrize("strength", [0.0, 4.0])
def test_metrics_follow_the_strength_of_the_signal(strength, tmp_path, capsys):
    """Chance level without one, close to 1 with a strong one: frame AUC, and region AUC for cuboid models."""
    rows = figures(tmp_path, strength, capsys)
    assert set(rows) == set(MODELS)
    for name, row in rows.items():
        found = {metric: row[metric]["mean"] for metric in ("frame_auc", "region_auc")}
        assert (found["region_auc"] is not None) == (name in SPATIAL)
        for metric, value in found.items():
            if value is not None:
                low, high = (0.9, 1.0) if strength else (0.35, 0.65)
                assert low <= value <= high, f"{name}: {metric} {value:.3f} at strength {strength:g}"
