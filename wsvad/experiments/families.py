"""Predefined ablations: rows that differ from a base in one factor, with values published in the papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wsvad.experiments.rows import Row


@dataclass(frozen=True)
class Published:
    """Frame AUC in percent as published in the text of the paper; empty if it is not."""

    shanghaitech: str = ""
    ucf_crime: str = ""


@dataclass(frozen=True)
class Family:
    """A base and the rows to compare with it."""

    about: str
    base: Row
    rows: tuple[Row, ...]
    published: Mapping[str, Published]
    """Published values by name of the row."""


def _ltgs(label: str, preset: str = "ablation", *settings: str) -> Row:
    return Row("ltgs", preset, label, settings)


def _st_mil(label: str, preset: str = "bag_video", *settings: str) -> Row:
    return Row("st_mil", preset, label, settings)


def _ours(label: str, preset: str) -> Row:
    return Row("st_ltgs", preset, label)


FAMILIES: Mapping[str, Family] = {
    "ltgs": Family(
        "LTGS-Net: its modules, decay, heads, terms of the loss, dynamic labels (its section 5.1)",
        _ltgs("full"),
        (
            _ltgs("without LT", "no_local"),
            _ltgs("without GS", "no_global"),
            _ltgs("GS as average pooling", "average_global"),
            _ltgs("without dynamic labels", "no_dynamic"),
            _ltgs("attention only", "attention_only"),
            _ltgs("no decay", "no_decay"),
            _ltgs("1 head", "one_head"),
            _ltgs("4 heads", "ablation", "heads=4"),
            _ltgs("8 heads", "ablation", "heads=8"),
            _ltgs("without sparsity", "ablation", "sparsity_weight=0"),
            _ltgs("without smoothness", "ablation", "smoothness_weight=0"),
            _ltgs("hard update", "hard_update"),
        ),
        {
            "full": Published("96.69", "82.33"),
            "without LT": Published("93.2", "79.0"),
            "without GS": Published("at most 95.1", "at most 80.7"),
            "without dynamic labels": Published("96.0", "80.8"),
            "attention only": Published("95.96", ""),
            "no decay": Published("95.8", "81.1"),
            "1 head": Published("about 0.5 less", "about 0.5 less"),
            "hard update": Published("about 1.5 less", "about 1.5 less"),
        },
    ),
    "st_mil": Family(
        "ST-MIL: its bag, pooling, region weight, regularisation",
        _st_mil("full"),
        (
            _st_mil("bag of a clip", "bag_clip"),
            _st_mil("attention pooling", "attention"),
            _st_mil("one region", "one_region"),
            _st_mil("regularised", "regularised"),
        ),
        {},
    ),
    "st_ltgs": Family(
        "our model: its modules, decay, reach, labels, region weight, background",
        Row("st_ltgs", label="full"),
        (
            _ours("without attention", "no_local"),
            _ours("without neighbours", "no_neighbours"),
            _ours("with global module", "global"),
            _ours("without dynamic labels", "no_dynamic"),
            _ours("no decay", "no_decay"),
            _ours("cosine decay", "cosine"),
            _ours("without region term", "no_region"),
            _ours("background subtracted", "no_background"),
        ),
        {},
    ),
}
"""Ablations by the value of ``wsvad ablate --family``."""
