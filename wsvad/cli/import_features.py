"""``wsvad import-features``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.clips import ClipSpec
from wsvad.importing.naming import Axes, Layout, Mismatch, Naming
from wsvad.options import Flag, Natural, Option, PositiveFloat, SmallInt, Uri, group
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.importing.job import ImportOptions
    from wsvad.importing.summary import ImportSummary


@dataclass(frozen=True, kw_only=True)
class IdOptions:
    """Mapping of file names to video ids."""

    naming: Annotated[Naming, Option(name="*")] = field(default_factory=Naming)
    follow_links: Flag = False
    """follow links that lead out of the folder"""
    allow_unmatched: Flag = False
    """skip files without a video in the manifest"""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Content of the files."""

    layout: Annotated[Literal["auto"] | Layout, Option(metavar="CHOICE")] = "auto"
    """npy: one array per video; npy-crops: one per crop, NAME__0.npy etc.; segments-text: 32 lines per video"""
    axes: Annotated[Literal["auto"] | Axes, Option(metavar="CHOICE")] = "auto"
    """axes of 3-dimensional arrays: [T, crops, D] or [crops, T, D]; auto: the order with 1, 5 or 10 crops in all
    files"""
    clip_length: SmallInt = ClipSpec.length
    """number of frames per clip"""
    clip_stride: SmallInt = ClipSpec.stride
    """number of frames between clip starts"""
    fps: Annotated[PositiveFloat, Option(metavar="F")] = 25.0
    """frame rate of the videos; affects only times"""


Ids = Annotated[IdOptions, group("ids (file name without folders, extension and crop number)")]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Import feature files as a features data set."""

    files: Uri | None = None
    """feature file, folder or prefix, local or s3://"""
    out: Uri | None = None
    """root of the features data set, local or s3://"""
    source: Annotated[str | None, Option(metavar="TEXT")] = None
    """description of how the features were made, e.g. 'RTFM i3d-r50 ten-crop'; equal for comparable features"""
    manifest: Uri | None = None
    """manifest with the video ids, and numbers of frames if known"""
    dry_run: Flag = False
    """list, match and check shapes, but write nothing"""
    mismatch: Mismatch = "refuse"
    """handling of videos whose number of clips does not match num_frames in the manifest: refuse (import nothing),
    skip,
    or keep"""
    max_quarantine: Natural = 0
    """maximum number of such videos, skipped or kept, for exit code 0; otherwise 3"""
    ids: Ids = field(default_factory=IdOptions)
    what: Annotated[FileOptions, group("file contents")] = field(default_factory=FileOptions)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "ImportOptions":
    """Resolve the options. Raises ``UsageError`` if an option is missing."""
    files, out, source = require(options, "files", "out", "source")
    from wsvad.importing.job import ImportOptions

    what, ids = options.what, options.ids
    return ImportOptions(
        files=files,
        out=out,
        source=source,
        manifest=options.manifest,
        layout=None if what.layout == "auto" else what.layout,
        axes=None if what.axes == "auto" else what.axes,
        clips=ClipSpec(what.clip_length, what.clip_stride),
        fps=what.fps,
        naming=ids.naming,
        follow_links=ids.follow_links,
        allow_unmatched=ids.allow_unmatched,
        mismatch=options.mismatch,
        max_quarantine=options.max_quarantine,
        store=options.store,
        dry_run=options.dry_run,
    )


def perform(options: Options, console: Console) -> "ImportSummary":
    """Import and return the summary; progress goes to ``console``."""
    asked = options_from(options)
    from wsvad.importing.job import import_features

    return import_features(asked, console)


def run(options: Options) -> int:
    """Import, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
