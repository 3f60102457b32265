"""Where units are written: opened by the driver, with care."""

from __future__ import annotations

import logging
from dataclasses import replace

from wsvad.dataset.config import DatasetConfig
from wsvad.dataset.snapshots import check_dataset
from wsvad.errors import UsageError
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.pool import in_job_copy

log = logging.getLogger(__name__)

_STALE_TEMPORARY_S = 24 * 3600.0


def refuse_job_copy(uri: str) -> None:
    """Raise ``UsageError`` for a target in the copy of the working directory that Ray deletes after a submitted job."""
    if in_job_copy(uri):
        raise UsageError(
            f"--out {uri} leads into the copy of the working directory that a submitted job runs in, and that "
            "Ray deletes; give the absolute path of a folder that every node shares, or an s3:// URI"
        )


def probed(out: Store) -> Store:
    """Find out whether a target can be written and honours create-only; return it as it is to be used then.

    Raises:
        StorageError: it cannot be reached or written.
    """
    probe = out.probe()
    if probe.create_only:
        log.info("%s honours create-only writes", out.uri)
        return out
    log.warning(
        "%s does not honour create-only writes (%s): never let two runs write there at once", out.uri, probe.detail
    )
    return open_store(out.uri, replace(out.options, conditional_writes=False))


def open_target(uri: str, options: StoreOptions, config: DatasetConfig, *, dry_run: bool) -> Store:
    """Open the target, refuse another configuration's data set, and find out whether it honours create-only.

    Raises:
        UsageError: it lies in a copy of the working directory that Ray deletes.
        ConflictError: it was made by another configuration.
        StorageError: it cannot be reached or written.
    """
    refuse_job_copy(uri)
    out = open_store(uri, options)
    check_dataset(out, config)
    if dry_run:
        return out
    out = probed(out)
    out.sweep_temporary(_STALE_TEMPORARY_S)
    return out
