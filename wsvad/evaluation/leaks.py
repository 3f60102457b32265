"""Detection of test videos that the model was trained on, also under another id.

UCFCrime2Local is a new split of UCF-Crime: all of its anomalous videos are in UCF-Crime's training list. Therefore
equal file names are considered equal videos even if folders, extensions or suffixes differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from wsvad.errors import UsageError
from wsvad.manifest.records import VideoRecord

_ENDINGS = re.compile(r"(_x26[45]|_i3d|_c3d|__[0-9])$")


def stem(name: str) -> str:
    """Return the part of a video id that copies share: ``Arson/Arson009_x264.mp4`` gives ``arson009``."""
    base = PurePosixPath(name.replace("\\", "/")).name
    bare = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", base)
    return _ENDINGS.sub("", bare.casefold()) or base.casefold()


def shared_ids(trained: Iterable[str], evaluated: Iterable[VideoRecord]) -> list[str]:
    """Return the ids of evaluated videos that training used with the same id, sorted."""
    known = set(trained)
    return sorted(record.video_id for record in evaluated if record.video_id in known)


def shared_names(
    trained: Iterable[str], evaluated: Iterable[VideoRecord], manifest: Sequence[VideoRecord] = ()
) -> list[tuple[str, str]]:
    """Return ``(evaluated id, training id)`` of different ids that seem to be the same file, sorted.

    The file is considered the same if the stems of the ids are equal, or if the manifest has the same URI for both ids.
    """
    known = set(trained)
    by_stem = {stem(video_id): video_id for video_id in sorted(known)}
    by_uri = {record.uri: record.video_id for record in manifest if record.video_id in known}
    pairs = []
    for record in evaluated:
        other = by_stem.get(stem(record.video_id)) or by_uri.get(record.uri)
        if other is not None and record.video_id not in known:
            pairs.append((record.video_id, other))
    return sorted(pairs)


def check_leaks(
    trained: Sequence[str],
    evaluated: Sequence[VideoRecord],
    manifest: Sequence[VideoRecord],
    *,
    names_are_distinct: bool = False,
) -> list[tuple[str, str]]:
    """Raise an error if training videos would be evaluated.

    Args:
        trained: ids of the videos that the model was trained on.
        evaluated: records to evaluate.
        manifest: all records, used to find other ids of the same URI.
        names_are_distinct: treat equal file names with different ids as different videos.

    Returns:
        The pairs of equal file names that were accepted because of ``names_are_distinct``; the report lists them.

    Raises:
        UsageError: training videos would be evaluated; the message lists some of them.
    """
    same = shared_ids(trained, evaluated)
    if same:
        raise UsageError(
            f"{len(same)} of the {len(evaluated)} videos to evaluate were used in training: {_some(same)}. Such "
            "metrics do not generalise to new videos. Evaluate a checkpoint that was trained without them; use "
            "--split train for metrics on training videos, which are labelled as such."
        )
    pairs = shared_names(trained, evaluated, manifest)
    if pairs and not names_are_distinct:
        raise UsageError(
            f"{len(pairs)} of the {len(evaluated)} videos to evaluate seem to be training videos with another id: "
            f"{_some(f'{a!r:.80} = {b!r:.80}' for a, b in pairs)} (for example, UCFCrime2Local's videos are training "
            "videos of UCF-Crime). Use a checkpoint that was trained without them. If they only share file names, set "
            "--distinct-names; the report will list them."
        )
    return pairs


def _some(names: Iterable[str], most: int = 5) -> str:
    listed = [str(name)[:200] for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
