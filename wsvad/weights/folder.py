"""The weights folder of this machine: its path, its contents, and the file of a name."""

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
"""Environment variable with the path of the folder."""
SUFFIXES = (".safetensors", ".pt", ".pth")
"""Suffixes of files that networks are loaded from."""
PART = ".part"
"""Suffix of a partial download."""

State = Literal["embedded", "verified", "converted", "present", "altered", "unfinished", "absent"]


@dataclass(frozen=True)
class FolderState:
    """State of catalogue weights in the folder."""

    state: State
    """``verified``: complete, with the published digests; ``converted``: only the converted file is present, which
    contains its own digest; ``present``: no digest is published; ``altered``: another digest than the published one;
    ``unfinished``: a partial download."""
    path: Path | None
    """File that networks are loaded from; ``None`` if there is no usable one."""


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return ``$WSVAD_WEIGHTS``, else ``wsvad/weights`` in the user's cache folder; it need not exist."""
    if chosen := environment.get(ENVIRONMENT):
        return Path(chosen).expanduser().absolute()
    cache = environment.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "wsvad" / "weights"


def folder_state(known: KnownWeights, folder: Path) -> FolderState:
    """Look for weights in a folder; files with a published digest are read completely and verified.

    Raises:
        WeightsError: A file cannot be read.
    """
    if known.name == EMBEDDED:
        own = shipped.path()
        return FolderState("embedded", own) if own.is_file() else FolderState("absent", None)
    usable = folder / known.usable_as
    states = [_file_state(file, folder) for file in known.files]
    for state in ("altered", "unfinished"):
        if state in states:
            return FolderState(state, None)
    path = usable if usable.is_file() else None
    if all(state == "verified" for state in states):
        return FolderState("verified", path)
    if path is not None:
        return FolderState("present" if known.layout == "pytorch" else "converted", path)
    return FolderState("present" if all(state == "present" for state in states) else "absent", None)


def _file_state(file: WeightFile, folder: Path) -> State:
    path = folder / file.saved_as
    if not path.is_file():
        return "unfinished" if path.with_name(path.name + PART).is_file() else "absent"
    if file.digest is None:
        return "present"
    try:
        return "verified" if file.digest.matches_file(path) else "altered"
    except OSError as error:
        raise WeightsError(f"weights {path}: cannot be read ({error.strerror or error})") from error


def other_files(folder: Path) -> list[Path]:
    """Return the weight files at the top level of the folder that belong to no catalogue name, sorted."""
    known = {entry.usable_as for entry in CATALOGUE.values()}
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise WeightsError(f"the weights folder {folder} cannot be read ({error.strerror or error})") from error
    return [path for path in found if path.suffix in SUFFIXES and path.name not in known and path.is_file()]


def find_weights(source: str | Path, folder: Path | None = None) -> Path:
    """Return the file to load weights from.

    Args:
        source: A name of the catalogue; the name, with or without suffix, of a file in the weights folder; or the path
            of any file. Catalogue names have precedence (``./rgb_imagenet`` is a path).
        folder: Weights folder; ``None``: ``default_folder()``.

    Raises:
        WeightsError: No such name or file (the message says how to get it), or the file is not the published one.
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
    meant = f"; did you mean {close[0]}?" if close else "."
    raise WeightsError(
        f"weights {str(source)!r:.200}: no such file or name{meant} Valid names are those of `wsvad weights list` "
        f"and of files in {folder}"
    )


def _known_path(known: KnownWeights, folder: Path) -> Path:
    found = folder_state(known, folder)
    if found.path is not None:
        return found.path
    if known.name == EMBEDDED:
        raise WeightsError(f"the weights {EMBEDDED} are missing from the package; reinstall it")
    first = known.files[0].saved_as
    if found.state == "altered":
        raise WeightsError(
            f"weights {known.name}: the files in {(folder / first).parent} differ from the published ones; fetch them "
            f"again: wsvad weights fetch {known.name}"
        )
    digest = "" if known.pinned else " --digest sha256:…"
    again = "are not converted yet" if found.state in ("verified", "present") else "are not on this machine"
    raise WeightsError(
        f"weights {known.name} {again} (searched in {folder}); run `wsvad weights fetch {known.name}{digest}`, or, "
        f"without network access, run it elsewhere and copy {known.usable_as} into that folder"
    )
