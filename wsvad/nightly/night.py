"""What a night starts from: the archive as it is listed, the models and files that are named."""

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
from wsvad.nightly.happenings import thresholds_by_model
from wsvad.nightly.models import champion_of
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.places import PENDING
from wsvad.nightly.published import Current, digest_of
from wsvad.nightly.tombstones import marks, without_purged
from wsvad.storage import Store, open_object, open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Night:
    """What a night starts from."""

    root: Store
    listing: Listing
    """Of the archive, without what was purged."""
    purged: tuple[tuple[str, str], ...]
    """Id and URI of videos of the archive that were purged here."""
    cameras: Cameras
    asked: Checkpoint | None
    candidates: tuple[Checkpoint, ...]
    options: RescoreOptions

    def champion(self, base: Current | None) -> str:
        """Digest of the model that readers are shown. Raises as ``champion_of``."""
        return champion_of(self.asked, base.champion if base else None)

    def digests(self, base: Current | None) -> list[str]:
        """Digests of the champion and of all candidates, of earlier nights too."""
        return sorted({self.champion(base), *(c.digest for c in self.candidates), *(base.models if base else ())})

    def inputs(self, base: Current | None) -> str:
        """Digest of everything that decides the night but which model is champion."""
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
    """Read what is named and list the archive; write nothing. Raises as ``rescore`` before any work."""
    root = open_store(options.root, options.store)
    cameras = read_cameras(options.cameras, options.store)
    asked = load_checkpoint(options.checkpoint, options.store) if options.checkpoint else None
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
    listing, purged = without_purged(listing, marks(root))
    if any(info.key == PENDING for info in root.list(PENDING)):
        log.warning(
            "a purge was begun and did not end; `wsvad purge --root %s` with the same options ends it", root.uri
        )
    return Night(root, listing, tuple(purged), cameras, asked, candidates, options)


def _digest_of_file(uri: str | None, options: RescoreOptions) -> str | None:
    """SHA-256 (hex) of a file that somebody named. Raises ``UsageError`` where there is none."""
    if uri is None:
        return None
    store, key = open_object(uri, options.store)
    try:
        return hashlib.sha256(store.read(key)).hexdigest()
    except ObjectNotFound as error:
        raise UsageError(f"{uri} does not exist") from error
