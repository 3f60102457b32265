"""Prefix log lines with the name of the run that they belong to."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def log_prefix(label: str) -> Iterator[None]:
    """Prefix every log line of this package with ``label: `` for the duration of a ``with`` block, in all threads."""
    make = logging.getLogRecordFactory()
    prefix = f"{label}: "

    def labelling(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if record.name.startswith("wsvad"):
            record.msg = (prefix.replace("%", "%%") if record.args else prefix) + str(record.msg)
        return record

    logging.setLogRecordFactory(labelling)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
