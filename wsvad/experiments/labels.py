"""Lines of the log that say which of several runs they are about."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def labelled(label: str) -> Iterator[None]:
    """Put ``label: `` before every line that this package logs within a ``with`` block, in whatever thread."""
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
