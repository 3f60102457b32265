"""A background call survives an interruption of the thread that waits for it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from wsvad.work.background_call import BackgroundCall


def test_an_interrupted_wait_can_be_resumed():
    """After Ctrl-C during the wait the thread still counts as running, and its result arrives."""
    release = threading.Event()
    thread = BackgroundCall(lambda: release.wait(60) and "result", "test")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in the background
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            thread.wait(30)
    finally:
        signal.signal(signal.SIGINT, before)
    started = time.monotonic()
    assert not thread.wait(0.3)
    assert time.monotonic() - started >= 0.25
    release.set()
    assert thread.wait(30)
    assert (thread.result, thread.error) == ("result", None)


def test_an_exception_is_stored():
    """The main thread raises it."""
    thread = BackgroundCall(lambda: [][0], "test")
    assert thread.wait(30)
    assert isinstance(thread.error, IndexError)
