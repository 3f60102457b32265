"""List the known weights and their state on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsvad.weights import folder as folders
from wsvad.weights.catalogue import CATALOGUE, KnownWeights


@dataclass(frozen=True)
class ListedWeights:
    """One line of ``wsvad weights list``."""

    name: str
    architecture: str | None
    """``None`` for a user's own file, which is not read."""
    about: str
    licence: str
    source: str
    """Page of the authors."""
    urls: tuple[str, ...]
    digests: tuple[str | None, ...]
    """Digest of each file; ``None`` if none is published: pass one, or copy your own file."""
    size: int | None
    """Bytes to fetch, if known."""
    state: folders.State
    path: str | None
    """Path to use with ``--weights``; ``None`` if there is no usable file."""


def list_weights(folder: Path) -> list[ListedWeights]:
    """Return all catalogue weights, and every other weight file in the folder.

    Raises:
        WeightsError: The folder or a file in it cannot be read.
    """
    lines = [_listed(known, folder) for known in CATALOGUE.values()]
    for path in folders.other_files(folder):
        size = path.stat().st_size
        lines.append(ListedWeights(path.stem, None, "your own file", "", "", (), (), size, "present", str(path)))
    return lines


def _listed(known: KnownWeights, folder: Path) -> ListedWeights:
    found = folders.folder_state(known, folder)
    return ListedWeights(
        known.name,
        known.architecture,
        known.about,
        known.licence,
        known.source,
        tuple(file.url for file in known.files),
        tuple(None if file.digest is None else str(file.digest) for file in known.files),
        known.size,
        found.state,
        None if found.path is None else str(found.path),
    )
