"""Weakly supervised video anomaly detection at archive scale.

Import order is data-flow order: ``errors`` and ``columns`` know nothing, ``storage`` moves bytes, ``video`` turns bytes
into frames, ``backbones`` turns frames into features, ``extract`` wires them to Ray, ``cli`` is what a person types.
Importing any module has no effect.
"""

__version__ = "0.1.0"
