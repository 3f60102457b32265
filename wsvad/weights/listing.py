"""Which weights there are, and what of them is on this machine."""

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
    """``None`` for a file of the user's: not looked into."""
    about: str
    licence: str
    source: str
    """Page of its authors."""
    urls: tuple[str, ...]
    digests: tuple[str | None, ...]
    """Of each file; ``None`` where nobody published one: bring your own file, or give a digest."""
    size: int | None
    """Bytes to fetch, where known."""
    state: folders.State
    path: str | None
    """What ``--weights`` loads; ``None`` where there is nothing yet."""


def list_weights(folder: Path) -> list[ListedWeights]:
    """Return every name, and every other weight file in the folder.

    Raises:
        WeightsError: the folder or a file in it cannot be read.
    """
    lines = [_listed(known, folder) for known in CATALOGUE.values()]
    for path in folders.others(folder):
        size = path.stat().st_size
        lines.append(ListedWeights(path.stem, None, "a file of yours", "", "", (), (), size, "present", str(path)))
    return lines


def _listed(known: KnownWeights, folder: Path) -> ListedWeights:
    found = folders.held(known, folder)
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
