"""The check of a target before work."""

from __future__ import annotations

import logging

from wsvad.storage import open_store
from wsvad.work import target


def test_support_for_create_only_writes_is_logged_once_per_store(tmp_path, monkeypatch, caplog):
    """A table of many runs, or a night, writes many folders of one store; the others are logged at debug level."""
    monkeypatch.setattr(target, "_reported", set())
    with caplog.at_level(logging.DEBUG, logger=target.__name__):
        for name in ("one", "two", "three"):
            target.probe_target(open_store(str(tmp_path / name)))
    levels = [r.levelno for r in caplog.records if "supports create-only writes" in r.getMessage()]
    assert levels == [logging.INFO, logging.DEBUG, logging.DEBUG]
