"""Which versions and what kind of machine made something: saved beside it, free of names and secrets."""

from __future__ import annotations

import importlib.metadata
import platform

from wsvad import __version__

PACKAGES = ("torch", "ray", "av", "numpy", "pyarrow", "safetensors", "s3fs")


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and what it stands on; missing packages are left out."""
    found = {"wsvad": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
