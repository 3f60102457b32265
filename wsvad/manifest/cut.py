"""Validation videos cut from the training videos of a manifest."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from wsvad.errors import UsageError
from wsvad.manifest.records import VideoRecord


def cut_val(records: Sequence[VideoRecord], fraction: float, seed: int) -> list[VideoRecord]:
    """Move a share of the training videos to ``split="val"``, the same share of every label and, nearly, category.

    Which videos move depends on their ids and the seed alone, not on their order. Of each label
    ``round(fraction * videos)`` move, at least 1, spread over the categories by largest remainder.

    Args:
        records: any; those of other splits stay as they are.
        fraction: above 0 and below 1.
        seed: any whole number.

    Raises:
        UsageError: the fraction is out of bounds, there is no training video, or a label would keep none.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"the validation fraction must be above 0 and below 1, got {fraction}")
    by_label: dict[int | None, list[VideoRecord]] = defaultdict(list)
    for record in records:
        if record.split == "train":
            by_label[record.label].append(record)
    if not by_label:
        raise UsageError("no video has split 'train', so none can be set aside for validation")
    chosen: set[str] = set()
    for label, members in by_label.items():
        wanted = max(1, round(fraction * len(members)))
        if wanted >= len(members):
            raise UsageError(f"label {label}: {wanted} of {len(members)} training videos for validation leave none")
        chosen |= _spread(members, wanted, seed)
    return [replace(r, split="val") if r.video_id in chosen else r for r in records]


def _spread(members: Sequence[VideoRecord], wanted: int, seed: int) -> set[str]:
    """Ids of ``wanted`` members: of each category its share, rounded so that the shares add up."""
    by_category: dict[str, list[str]] = defaultdict(list)
    for record in members:
        by_category[record.category or ""].append(record.video_id)
    exact = {name: wanted * len(ids) / len(members) for name, ids in by_category.items()}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], _draw(name, seed)))
    for name in by_remainder[: wanted - sum(counts.values())]:
        counts[name] += 1
    return {i for name, ids in by_category.items() for i in sorted(ids, key=lambda i: _draw(i, seed))[: counts[name]]}


def _draw(text: str, seed: int) -> bytes:
    """A fixed random place in the order of everything, for each seed another."""
    return hashlib.sha256(f"{seed}\x00{text}".encode()).digest()
