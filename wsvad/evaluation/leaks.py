"""Refuse figures on videos that the model was trained on, under whichever name.

UCFCrime2Local splits UCF-Crime anew: all of its anomalous videos are in UCF-Crime's training list. So the same file
name is taken for the same video even where folders, extensions or endings differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from wsvad.errors import UsageError
from wsvad.manifest.records import VideoRecord

_ENDINGS = re.compile(r"(_x26[45]|_i3d|_c3d|__[0-9])$")


def stem(name: str) -> str:
    """Reduce a video id to what a copy elsewhere would share: ``Arson/Arson009_x264.mp4`` to ``arson009``."""
    base = PurePosixPath(name.replace("\\", "/")).name
    bare = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", base)
    return _ENDINGS.sub("", bare.casefold()) or base.casefold()


def shared_ids(trained: Iterable[str], evaluated: Iterable[VideoRecord]) -> list[str]:
    """Return the ids of evaluated videos that training used under the same id, sorted."""
    known = set(trained)
    return sorted(record.video_id for record in evaluated if record.video_id in known)


def shared_names(
    trained: Iterable[str], evaluated: Iterable[VideoRecord], manifest: Sequence[VideoRecord] = ()
) -> list[tuple[str, str]]:
    """Return ``(evaluated id, training id)`` where ids differ and the file does not seem to, sorted.

    The file is the same where the stems of ids agree, or where the manifest gives both ids one URI.
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


def refuse_leaks(
    trained: Sequence[str],
    evaluated: Sequence[VideoRecord],
    manifest: Sequence[VideoRecord],
    *,
    names_are_distinct: bool = False,
) -> list[tuple[str, str]]:
    """Refuse to evaluate on training videos.

    Args:
        trained: ids of the videos that the model was trained on.
        evaluated: records that are to be evaluated.
        manifest: all records, for what else their URIs are known as.
        names_are_distinct: the user says that equal file names under different ids are different videos.

    Returns:
        The pairs of equal file names that were let through on the user's word; the report lists them.

    Raises:
        UsageError: videos are in both; the message names some.
    """
    same = shared_ids(trained, evaluated)
    if same:
        raise UsageError(
            f"{len(same)} of the {len(evaluated)} videos to evaluate were trained on: {_some(same)}. Such figures say "
            "nothing about new videos. Evaluate with a checkpoint that was trained without them; --split train gives "
            "figures on training videos that are labelled so."
        )
    pairs = shared_names(trained, evaluated, manifest)
    if pairs and not names_are_distinct:
        raise UsageError(
            f"{len(pairs)} of the {len(evaluated)} videos to evaluate seem to be training videos under another id: "
            f"{_some(f'{a!r:.80} = {b!r:.80}' for a, b in pairs)} (as UCFCrime2Local's videos are UCF-Crime's training "
            "videos). Use a checkpoint that was trained without them. If they only happen to share file names, say "
            "--distinct-names; the report will list them."
        )
    return pairs


def _some(names: Iterable[str], most: int = 5) -> str:
    listed = [str(name)[:200] for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
