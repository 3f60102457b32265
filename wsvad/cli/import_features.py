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
    """From names of files to ids of videos."""

    naming: Annotated[Naming, Option(name="*")] = field(default_factory=Naming)
    follow_links: Flag = False
    """also list links that lead out of the folder"""
    allow_unmatched: Flag = False
    """leave out what the manifest does not have"""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What is in the files."""

    layout: Annotated[Literal["auto"] | Layout, Option(metavar="CHOICE")] = "auto"
    """npy: an array a video; npy-crops: one a crop, NAME__0.npy and so on; segments-text: 32 lines a video"""
    axes: Annotated[Literal["auto"] | Axes, Option(metavar="CHOICE")] = "auto"
    """of arrays with three: [T, crops, D] or [crops, T, D]; auto: what gives all files 1, 5 or 10 crops"""
    clip_length: SmallInt = ClipSpec.length
    """frames in a clip"""
    clip_stride: SmallInt = ClipSpec.stride
    """frames between clip starts"""
    fps: Annotated[PositiveFloat, Option(metavar="F")] = 25.0
    """of the videos; only times depend on it"""


Ids = Annotated[IdOptions, group("ids (a file's name without folders, extension and number of the crop)")]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Feature files of others in, features out."""

    files: Uri | None = None
    """feature file, folder or prefix, local or s3://"""
    out: Uri | None = None
    """root of the features data set, local or s3://"""
    source: Annotated[str | None, Option(metavar="TEXT")] = None
    """what made the features, e.g. 'RTFM i3d-r50 ten-crop'; the same for all that belong together"""
    manifest: Uri | None = None
    """holds the ids, and numbers of frames where known"""
    dry_run: Flag = False
    """list, match and check shapes; write nothing"""
    mismatch: Mismatch = "refuse"
    """videos whose number of clips does not fit the manifest's num_frames: import nothing, skip them, or keep them as
    they are"""
    max_quarantine: Natural = 0
    """exit 0 with up to N such videos skipped or kept, 3 with more"""
    ids: Ids = field(default_factory=IdOptions)
    what: Annotated[FileOptions, group("what is in the files")] = field(default_factory=FileOptions)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "ImportOptions":
    """Resolve what was given. Raises ``UsageError`` naming what is missing."""
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
