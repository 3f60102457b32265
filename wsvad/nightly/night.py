"""Inputs of a nightly run: the listed archive, the models and the named files."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass, replace

from wsvad.cameras.config import Cameras
from wsvad.cameras.reading import read_cameras
from wsvad.checkpoint import Checkpoint, load_checkpoint
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.features.coverage import skipped_videos
from wsvad.manifest.listing import Listing, list_videos
from wsvad.nightly.events import thresholds_by_model
from wsvad.nightly.layout import PENDING_PURGE
from wsvad.nightly.models import resolve_champion
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.published import Current, digest_of
from wsvad.nightly.tombstones import read_tombstones, without_purged
from wsvad.storage import Store, open_object, open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Night:
    """Inputs of a nightly run."""

    root: Store
    listing: Listing
    """The archive without purged videos."""
    purged: tuple[tuple[str, str], ...]
    """Id and URI of each purged video that is still in the archive."""
    cameras: Cameras
    requested: Checkpoint | None
    """The checkpoint of ``--checkpoint``."""
    candidates: tuple[Checkpoint, ...]
    options: RescoreOptions

    def champion(self, base: Current | None) -> str:
        """Return the digest of the champion. Raises as ``resolve_champion``."""
        return resolve_champion(self.requested, base.champion if base else None)

    def digests(self, base: Current | None) -> list[str]:
        """Return the digests of the champion and of all candidates, including those of previous nights."""
        return sorted({self.champion(base), *(c.digest for c in self.candidates), *(base.models if base else ())})

    def inputs(self, base: Current | None) -> str:
        """Return a digest of all inputs of the night except the choice of the champion."""
        options = self.options
        return digest_of(
            {
                "listing": self.listing.digest,
                "purged": sorted(video_id for video_id, _ in self.purged),
                "unreachable": sorted(lost.video_id for lost in self.listing.unreachable),
                "skipped": [row["uri"] for row in skipped_videos(self.listing.skipped)],
                "min_coverage": options.min_coverage,
                "models": self.digests(base),
                "cameras": _digest_of_file(options.cameras, options),
                "settings": options.settings.to_dict(),
                "thresholds": [_digest_of_file(uri, options) for uri in options.thresholds],
                "reading": asdict(options.reading),
            }
        )


def begin(options: RescoreOptions) -> Night:
    """Read the named files and list the archive; write nothing. Raises what ``rescore`` raises before any work."""
    root = open_store(options.root, options.store)
    cameras = read_cameras(options.cameras, options.store)
    requested = load_checkpoint(options.checkpoint, options.store) if options.checkpoint else None
    candidates = tuple(load_checkpoint(uri, options.store) for uri in options.candidates)
    thresholds_by_model(options)
    listing = list_videos(
        options.archive,
        identity=options.identity,
        options=replace(options.store, follow_links=options.follow_links),
        output_prefixes=(f"{root.uri}/",),
        reading=options.reading,
    )
    log.info("%d videos listed, %d other files skipped", len(listing.videos), len(listing.skipped))
    listing, purged = without_purged(listing, read_tombstones(root))
    if any(info.key == PENDING_PURGE for info in root.list(PENDING_PURGE)):
        log.warning(
            "a purge was interrupted; to finish it, run `wsvad purge --root %s` with the same options", root.uri
        )
    return Night(root, listing, tuple(purged), cameras, requested, candidates, options)


def _digest_of_file(uri: str | None, options: RescoreOptions) -> str | None:
    """Return the SHA-256 (hex) of a named file. Raises ``UsageError`` if it does not exist."""
    if uri is None:
        return None
    store, key = open_object(uri, options.store)
    try:
        return hashlib.sha256(store.read(key)).hexdigest()
    except ObjectNotFound as error:
        raise UsageError(f"{uri} does not exist") from error
