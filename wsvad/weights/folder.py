"""The folder of weights on this machine: where it is, what is in it, and which file a name stands for."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsvad.backbones import shipped
from wsvad.errors import WeightsError
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED, KnownWeights, WeightFile

ENVIRONMENT = "WSVAD_WEIGHTS"
"""Environment variable that names the folder."""
SUFFIXES = (".safetensors", ".pt", ".pth")
"""Of files that a network is loaded from."""
PART = ".part"
"""Ends the name of an unfinished download."""

State = Literal["embedded", "verified", "converted", "present", "altered", "unfinished", "absent"]


@dataclass(frozen=True)
class Held:
    """What the folder has of some weights."""

    state: State
    """``verified``: all there, digests as pinned; ``converted``: only the converted file is there, which bears its own
    digest; ``present``: nobody published a digest; ``altered``: another digest than the pinned one; ``unfinished``:
    part of a download."""
    path: Path | None
    """What a network is loaded from; ``None`` where there is nothing usable yet."""


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return ``$WSVAD_WEIGHTS``, else ``wsvad/weights`` in the user's cache; it need not exist."""
    if chosen := environment.get(ENVIRONMENT):
        return Path(chosen).expanduser().absolute()
    cache = environment.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "wsvad" / "weights"


def held(known: KnownWeights, folder: Path) -> Held:
    """Look for weights in a folder; pinned files are read whole and compared with their digests.

    Raises:
        WeightsError: a file cannot be read.
    """
    if known.name == EMBEDDED:
        own = shipped.path()
        return Held("embedded", own) if own.is_file() else Held("absent", None)
    usable = folder / known.usable_as
    states = [_file_state(file, folder) for file in known.files]
    for state in ("altered", "unfinished"):
        if state in states:
            return Held(state, None)
    path = usable if usable.is_file() else None
    if all(state == "verified" for state in states):
        return Held("verified", path)
    if path is not None:
        return Held("present" if known.layout == "pytorch" else "converted", path)
    return Held("present" if all(state == "present" for state in states) else "absent", None)


def _file_state(file: WeightFile, folder: Path) -> State:
    path = folder / file.saved_as
    if not path.is_file():
        return "unfinished" if path.with_name(path.name + PART).is_file() else "absent"
    if file.digest is None:
        return "present"
    try:
        return "verified" if file.digest.agrees(path) else "altered"
    except OSError as error:
        raise WeightsError(f"weights {path}: cannot be read ({error.strerror or error})") from error


def others(folder: Path) -> list[Path]:
    """Return the weight files at the top of the folder that no known name stands for, by name."""
    known = {entry.usable_as for entry in CATALOGUE.values()}
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise WeightsError(f"the folder of weights {folder} cannot be read ({error.strerror or error})") from error
    return [path for path in found if path.suffix in SUFFIXES and path.name not in known and path.is_file()]


def find_weights(source: str | Path, folder: Path | None = None) -> Path:
    """Return the file that weights are loaded from, given what a user calls them.

    Args:
        source: a name of the catalogue; the name, with or without its extension, of a file in the folder of weights; or
            the path of any file. A name of the catalogue is always that (``./rgb_imagenet`` is a path).
        folder: of weights; ``None``: ``default_folder()``.

    Raises:
        WeightsError: no such name or file (the message says how to get it), or the file is not the published one.
    """
    folder = default_folder() if folder is None else folder
    known = CATALOGUE.get(str(source))
    if known is not None:
        return _known_path(known, folder)
    own = [folder / f"{source}{suffix}" for suffix in ("", *SUFFIXES)] if Path(source).name == str(source) else []
    for path in (Path(source).expanduser(), *own):
        if path.is_file():
            return path
    close = difflib.get_close_matches(str(source), CATALOGUE, n=1, cutoff=0.7)
    meant = f"; did you mean {close[0]}" if close else ""
    raise WeightsError(
        f"weights {str(source)!r:.200}: no such file, and no such name{meant}. Names are those of `wsvad weights list` "
        f"and of files in {folder}"
    )


def _known_path(known: KnownWeights, folder: Path) -> Path:
    found = held(known, folder)
    if found.path is not None:
        return found.path
    if known.name == EMBEDDED:
        raise WeightsError(f"the weights {EMBEDDED} are missing from the package; install it again")
    first = known.files[0].saved_as
    if found.state == "altered":
        raise WeightsError(
            f"weights {known.name}: what is in {(folder / first).parent} is not what was published; get it again: "
            f"wsvad weights fetch {known.name}"
        )
    digest = "" if known.pinned else " --digest sha256:…"
    again = "are here, but not converted yet" if found.state in ("verified", "present") else "are not on this machine"
    raise WeightsError(
        f"weights {known.name} {again} (looked in {folder}); run `wsvad weights fetch {known.name}{digest}`, or, where "
        f"there is no network, run it elsewhere and copy {known.usable_as} into that folder"
    )
