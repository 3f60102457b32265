"""State of the review server that its threads share."""

from __future__ import annotations

import threading
import time
from typing import Any

from wsvad.review.config import ReviewOptions, SourceOptions
from wsvad.review.service import ReviewService


def test_decoder_is_closed_once(tmp_path) -> None:
    """A signal and the picture thread close it concurrently; a second close would close files of others."""
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
