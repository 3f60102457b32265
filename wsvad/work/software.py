"""Compare the package versions on which results depend between this process and the nodes of a cluster."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

import wsvad

Versions = Mapping[str, str]
"""Version of each package; empty if it is not installed."""

PACKAGES = ("av", "numpy", "pyarrow", "safetensors", "torch")
"""Packages that decode, compute and write. Ray checks its own version. Versions are read without importing them."""


def installed_versions() -> dict[str, str]:
    """Return the versions of Python, wsvad and the packages that results depend on.

    Of Python only major and minor version count, as in Ray. Local version labels (``+cpu``) are removed: they tell
    builds apart, and a head node without a GPU may have another build than its workers.
    """
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "wsvad": wsvad.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def version_differences(here: Versions, nodes: Mapping[str, Versions]) -> list[str]:
    """Return one line for each package whose version differs between this process and a node.

    Args:
        here: versions of this process, from :func:`installed_versions`.
        nodes: versions by node name.
    """
    lines = []
    for package in here:
        others: dict[str, list[str]] = {}
        for node, versions in sorted(nodes.items()):
            if (version := versions.get(package, "")) != here[package]:
                others.setdefault(version or "missing", []).append(node)
        found = ", ".join(f"{version} on {shorten(names)}" for version, names in sorted(others.items()))
        if found:
            lines.append(f"{package} is {here[package] or 'missing'} here, {found}")
    return lines


def shorten(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
