"""Weakly supervised video anomaly detection at archive scale.

Import order is data-flow order: ``errors`` and ``columns`` know nothing, ``storage`` moves bytes, ``video`` turns bytes
into frames, ``backbones`` turns frames into features, ``extract`` wires them to Ray, ``cli`` is what a person types.
Importing any module has no effect.

``wsvad.Inferencer`` scores a video in this process. ``wsvad.FeatureSet``, ``ScoreSet`` and ``EventSet`` open published
data sets: ``.to_arrow()``, ``.to_pandas()``, ``.to_ray()``, ``.files()``, and ``.to_torch()`` of features.
"""

from importlib import import_module

__all__ = ["EventSet", "FeatureSet", "Inferencer", "ScoreSet", "__version__"]
__version__ = "0.1.0"

_HOMES = {
    "EventSet": "wsvad.events.reading",
    "FeatureSet": "wsvad.features.reading",
    "Inferencer": "wsvad.pipelines.inferencer",
    "ScoreSet": "wsvad.scores.reading",
}
"""Where each name is loaded from when it is first used: ``import wsvad`` alone takes no time."""


def __getattr__(name: str) -> object:
    """Load a public name. Raises ``AttributeError`` for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wsvad' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
