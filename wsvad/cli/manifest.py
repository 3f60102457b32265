"""``wsvad manifest``."""

import json
import logging
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.table import Table

from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.manifest.names import DESCRIPTIONS, DataSetName, Ped2Split, Split
from wsvad.options import HIDDEN, Flag, Natural, Number, Option, Uri, Word, group
from wsvad.storage import StoreOptions, normalize_uri, probe_object

log = logging.getLogger("wsvad")


_NAMES = "; ".join(
    [
        *(f"{name}: {about}" for name, about in DESCRIPTIONS.items()),
        "join: join videos of several manifests into one",
    ]
)
Parts = Annotated[tuple[str, ...], Option(metavar="MANIFEST")]
_OF_JOIN = frozenset({"train", "val", "test", "prefix_ids"})
_OF_DATA_SETS = frozenset(
    {
        "root",
        "annotations",
        "val_fraction",
        "seed",
        "test_as_val",
        "allow_missing",
        "train_truth",
        "ped2_split",
    }
)


@dataclass(frozen=True, kw_only=True)
class JoinOptions:
    """Manifests to join."""

    train: Parts = ()
    """manifest whose training videos become training videos; can be repeated; test:MANIFEST, val:MANIFEST and
    all:MANIFEST select another split, or all videos"""
    val: Parts = ()
    """the same for validation videos"""
    test: Parts = ()
    """the same for test videos"""
    prefix_ids: Flag = False
    """prefix every id with the name of its manifest and a slash, for sources with equal ids"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Create a manifest from the annotation files of a public data set."""

    data_set: Annotated[DataSetName | Literal["join"], HIDDEN, Word("NAME", _NAMES)] = "join"
    root: Uri | None = None
    """folder or prefix with the videos and the annotation files"""
    out: Uri | None = None
    """manifest to write (.parquet, .csv)"""
    annotations: Uri | None = None
    """folder of the annotation files, if not below the root"""
    val_fraction: Annotated[Number, Option(metavar="SHARE")] = 0.0
    """fraction of the training videos to assign to split 'val', stratified by label and category"""
    seed: Natural = 0
    """random seed for that assignment"""
    test_as_val: Flag = False
    """assign the published test videos to split 'val', to use them for selection"""
    allow_missing: Flag = False
    """skip videos that do not exist below the root"""
    train_truth: Flag = False
    """also keep spans and boxes of training videos"""
    ped2_split: Ped2Split = "weak"
    """split of ucsd-ped2; see docs/datasets.md"""
    overwrite: Flag = False
    """replace an existing, different manifest at --out"""
    join: Annotated[JoinOptions, group("join")] = field(default_factory=JoinOptions)
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Create and write the manifest, show its summary, return the exit code."""
    if wrong := options.given & (_OF_DATA_SETS if options.data_set == "join" else _OF_JOIN):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise UsageError(f"manifest {options.data_set} does not support {names}")
    summary = _joined(options) if options.data_set == "join" else _built(options, options.data_set)
    if options.json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        _show(summary)
    return 0


def _joined(options: Options) -> dict[str, Any]:
    (out,) = require(options, "out")
    from wsvad.manifest.join import Part, join, summary_of
    from wsvad.manifest.output import save_manifest
    from wsvad.manifest.records import check_suffix

    check_suffix(out)
    probe_object(out, options.store)
    named: dict[Split, tuple[str, ...]] = {
        "train": options.join.train,
        "val": options.join.val,
        "test": options.join.test,
    }
    parts = [Part.of(split, text) for split, texts in named.items() for text in texts]
    if normalize_uri(out) in {normalize_uri(part.manifest) for part in parts}:
        raise UsageError(f"--out {out} is one of the input manifests; use another file")
    records = join(parts, prefix_ids=options.join.prefix_ids, options=options.store)
    summary = summary_of(parts, records, prefix_ids=options.join.prefix_ids)
    save_manifest(records, summary, out, overwrite=options.overwrite, options=options.store)
    return summary | {"out": out}


def _built(options: Options, data_set: DataSetName) -> dict[str, Any]:
    root, out = require(options, "root", "out")
    from wsvad.manifest.public.build import ManifestConfig, build, write
    from wsvad.manifest.records import check_suffix

    config = ManifestConfig(
        name=data_set,
        root=root,
        annotations=options.annotations,
        val_fraction=options.val_fraction,
        seed=options.seed,
        test_as_val=options.test_as_val,
        allow_missing=options.allow_missing,
        train_truth=options.train_truth,
        ped2_split=options.ped2_split,
    )
    check_suffix(out)
    probe_object(out, options.store)
    built = build(config, out, options.store)
    write(built, out, overwrite=options.overwrite, options=options.store)
    summary = built.summary | {"out": out}
    if not summary["found"]:
        log.warning("no video exists below %s; the manifest contains only their published names", root)
    if summary["missing"]:
        log.warning("%d videos do not exist below %s and were skipped", summary["missing"], root)
    return summary


def _show(summary: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{summary['data_set']}: {summary['videos']:,} videos in {summary['out']}", soft_wrap=True, markup=False
    )
    table = Table()
    for column in ("split", "normal", "anomalous", "anomalous frames", "boxes"):
        table.add_column(column, justify="left" if column == "split" else "right", overflow="fold")
    for split, counts in summary["splits"].items():
        table.add_row(split, *("not known" if value is None else f"{value:,}" for value in counts.values()))
    console.print(table)
