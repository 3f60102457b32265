"""The desk of a server: what is shared between its threads."""

from __future__ import annotations

import threading
import time
from typing import Any

from wsvad.review.config import ReviewOptions, SourceOptions
from wsvad.review.service import ReviewService


def test_a_decoder_is_closed_once(tmp_path) -> None:
    """By the signal and by the thread that makes pictures at the same time; the second would close others' files."""
    closed = []

    class Maker:
        def close(self) -> None:
            closed.append(threading.get_ident())
            time.sleep(0.05)

    desk = ReviewService(ReviewOptions(SourceOptions(root=str(tmp_path))), 0)
    held: Any = (None, Maker())
    desk._maker = held
    threads = [threading.Thread(target=desk.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(closed) == 1
