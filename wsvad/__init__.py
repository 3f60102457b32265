"""Weakly supervised video anomaly detection at archive scale.

* ``wsvad.extract``, ``train``, ``score``, ``evaluate``, … are the verbs of the command line as functions.
* ``wsvad.FeatureSet``, ``ScoreSet`` and ``EventSet`` open published data sets: ``.to_arrow()``, ``.to_pandas()``,
  ``.to_ray()``, ``.files()``, and ``.to_torch()`` of features.
* ``wsvad.Inferencer`` scores a video in this process.

    >>> import wsvad
    >>> extracted = wsvad.extract("videos", "features")
    >>> extracted.exit_code
    0
    >>> trained = wsvad.train("features", "manifest.csv", "st_ltgs", "model", steps=4, pairs=1, no_ray=True)
    >>> scored = wsvad.score("features", "model/checkpoint", "scores")
    >>> wsvad.ScoreSet.open("scores").to_pandas()["video_id"].nunique()
    8

Importing the package, or any module of it, has no effect; the names above are loaded when they are first used.
"""

from importlib import import_module

_HOMES = {
    "EventSet": "wsvad.events.reading",
    "FeatureSet": "wsvad.features.reading",
    "Inferencer": "wsvad.pipelines.inferencer",
    "ScoreSet": "wsvad.scores.reading",
}
"""The module of each class."""
_FUNCTIONS = (
    "ablate", "compare", "evaluate", "extract", "import_features", "promote", "purge", "rescore", "score", "train",
    "tune", "verdicts",
)  # fmt: skip

__all__ = [*_HOMES, *_FUNCTIONS, "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load a public name. Raises ``AttributeError`` for any other."""
    if name in _HOMES:
        return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
    if name in _FUNCTIONS:
        return globals().setdefault(name, import_module("wsvad.interface").function_of(name))
    raise AttributeError(f"module 'wsvad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
