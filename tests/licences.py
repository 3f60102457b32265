"""Print name, version and licence of every installed package, as it states them: ``python -m tests.licences``."""

from __future__ import annotations

from importlib import metadata


def licence_of(package: metadata.PackageMetadata) -> str:
    """Return the licence: the SPDX expression, else the classifiers, else the first line of the free text."""
    expression = package.get("License-Expression")
    classifiers = [
        line.rpartition(" :: ")[2] for line in package.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    text = (package.get("License") or "").strip().splitlines()
    return expression or "; ".join(classifiers) or (text[0][:80] if text else "not stated")


def licences() -> list[tuple[str, str, str]]:
    """Return name, version and licence of every installed package, sorted by name."""
    found = {package.metadata["Name"]: package for package in metadata.distributions()}
    return [(name, found[name].version, licence_of(found[name].metadata)) for name in sorted(found, key=str.lower)]


if __name__ == "__main__":
    for row in licences():
        print("\t".join(row))
