"""Split validation videos off the training videos of a manifest."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from wsvad.errors import UsageError
from wsvad.manifest.records import VideoRecord


def split_validation(records: Sequence[VideoRecord], fraction: float, seed: int) -> list[VideoRecord]:
    """Move a fraction of the training videos to ``split="val"``, stratified by label and category.

    The choice depends only on video ids and seed, not on the order of records. For each label
    ``round(fraction * videos)`` videos move, at least 1, distributed over categories by the largest remainder method.

    Args:
        records: records of any split; those of other splits are unchanged.
        fraction: fraction of training videos, between 0 and 1, both exclusive.
        seed: random seed.

    Raises:
        UsageError: the fraction is out of range, there are no training videos, or a label would keep none.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"the validation fraction must be above 0 and below 1, got {fraction}")
    by_label: dict[int | None, list[VideoRecord]] = defaultdict(list)
    for record in records:
        if record.split == "train":
            by_label[record.label].append(record)
    if not by_label:
        raise UsageError("no video has split 'train', so none can be moved to validation")
    chosen: set[str] = set()
    for label, members in by_label.items():
        wanted = max(1, round(fraction * len(members)))
        if wanted >= len(members):
            raise UsageError(f"label {label}: {wanted} of {len(members)} training videos for validation leave none")
        chosen |= _spread(members, wanted, seed)
    return [replace(r, split="val") if r.video_id in chosen else r for r in records]


def _spread(members: Sequence[VideoRecord], wanted: int, seed: int) -> set[str]:
    """Return the ids of ``wanted`` members, distributed over categories by the largest remainder method."""
    by_category: dict[str, list[str]] = defaultdict(list)
    for record in members:
        by_category[record.category or ""].append(record.video_id)
    exact = {name: wanted * len(ids) / len(members) for name, ids in by_category.items()}
    counts = {name: int(count) for name, count in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], _draw(name, seed)))
    for name in by_remainder[: wanted - sum(counts.values())]:
        counts[name] += 1
    return {i for name, ids in by_category.items() for i in sorted(ids, key=lambda i: _draw(i, seed))[: counts[name]]}


def _draw(text: str, seed: int) -> bytes:
    """Return a pseudo-random sort key that depends on text and seed."""
    return hashlib.sha256(f"{seed}\x00{text}".encode()).digest()
