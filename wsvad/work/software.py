"""What is installed on a node, as far as results depend on it; and whether it is the same everywhere."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata

import wsvad

Versions = Mapping[str, str]
"""Version of each package; empty where it is missing."""

PACKAGES = ("av", "numpy", "pyarrow", "safetensors", "torch")
"""What decodes, computes and writes; Ray sees to its own version. Read without importing any of it."""


def installed() -> dict[str, str]:
    """Return the versions of wsvad and of what its results depend on, here.

    Python counts by its minor version, as Ray has it; local labels (``+cpu``) tell builds apart, not versions, and are
    left off, so that a head without GPU and workers with one may differ in them.
    """
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "wsvad": wsvad.__version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def differences(here: Versions, nodes: Mapping[str, Versions]) -> list[str]:
    """Return what differs between this process and the nodes, a line for each package.

    Args:
        here: versions of this process, from :func:`installed`.
        nodes: versions by name of node.
    """
    lines = []
    for package in here:
        others: dict[str, list[str]] = {}
        for node, versions in sorted(nodes.items()):
            if (version := versions.get(package, "")) != here[package]:
                others.setdefault(version or "missing", []).append(node)
        told = ", ".join(f"{version} on {few(names)}" for version, names in sorted(others.items()))
        if told:
            lines.append(f"{package} is {here[package] or 'missing'} here, {told}")
    return lines


def few(names: Sequence[str]) -> str:
    """Return the first three of the names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
