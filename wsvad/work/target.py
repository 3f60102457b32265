"""Open and check the store that units are written to."""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import urlsplit

from wsvad.dataset.config import DatasetConfig
from wsvad.dataset.snapshots import check_dataset
from wsvad.errors import UsageError
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.pool import in_job_working_dir

log = logging.getLogger(__name__)

_STALE_TEMPORARY_S = 24 * 3600.0
_reported: set[str] = set()  # stores whose support was logged: a command may write hundreds of folders of one store


def refuse_job_working_dir(uri: str) -> None:
    """Raise ``UsageError`` if a target lies in the working directory of a submitted job, which Ray deletes."""
    if in_job_working_dir(uri):
        raise UsageError(
            f"--out {uri} lies in the working directory of a submitted job, which Ray deletes after the job; "
            "give the absolute path of a folder that every node shares, or an s3:// URI"
        )


def probe_target(out: Store) -> Store:
    """Check that a target can be written and supports create-only writes; return the store to use from now on.

    Raises:
        StorageError: the store cannot be reached or written.
    """
    probe = out.probe()
    if probe.create_only:
        place = "{0.scheme}://{0.netloc}".format(urlsplit(out.uri))  # a bucket, or all local folders
        log.log(logging.DEBUG if place in _reported else logging.INFO, "%s supports create-only writes", out.uri)
        _reported.add(place)
        return out
    log.warning(
        "%s does not support create-only writes (%s): never let two runs write there at once", out.uri, probe.detail
    )
    return open_store(out.uri, replace(out.options, conditional_writes=False))


def open_target(uri: str, options: StoreOptions, config: DatasetConfig, *, dry_run: bool) -> Store:
    """Open the target, refuse a data set of another configuration, and check for create-only writes.

    Raises:
        UsageError: the target lies in the working directory of a submitted job.
        ConflictError: the data set was made with another configuration.
        StorageError: the store cannot be reached or written.
    """
    refuse_job_working_dir(uri)
    out = open_store(uri, options)
    check_dataset(out, config)
    if dry_run:
        return out
    out = probe_target(out)
    out.sweep_temporary(_STALE_TEMPORARY_S)
    return out
