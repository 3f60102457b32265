"""Messages on a socket pair."""

from __future__ import annotations

import os
import socket

import pytest

from wsvad.video.wire import Disconnected, receive, send


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair()


def test_messages_payloads_and_descriptors_arrive_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    """Two messages sent at once stay two, and a descriptor stays usable."""
    ours, theirs = pair
    with ours, theirs:
        read_end, write_end = os.pipe()
        send(ours, {"t": "a"}, b"12345", fds=(write_end,))
        send(ours, {"t": "ü"})
        message, payload, fds = receive(theirs, 10)
        assert (message, payload) == ({"t": "a"}, b"12345")
        os.write(fds[0], b"x")
        assert os.read(read_end, 1) == b"x"
        assert receive(theirs, 10)[0] == {"t": "ü"}
        for fd in (read_end, write_end, *fds):
            os.close(fd)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x01\x00",
        b"\xff\xff\xff\xff\x00\x00\x00\x00",
        b"\x02\x00\x00\x00\x0b\x00\x00\x00{}",
        b"\x02\x00\x00\x00\x00\x00\x00\x00{x",
        b"\x02\x00\x00\x00\x00\x00\x00\x0042",
    ],
    ids=["end", "half a header", "huge message", "payload not allowed", "not JSON", "not an object"],
)
def test_garbage_is_a_disconnection(pair: tuple[socket.socket, socket.socket], garbage: bytes) -> None:
    """Whatever a broken child writes, the parent sees a child that is gone, and allocates nothing for it."""
    ours, theirs = pair
    with theirs:
        with ours:
            ours.sendall(garbage)
        with pytest.raises(Disconnected):
            receive(theirs, 10)


def test_sending_to_nobody_is_a_disconnection(pair: tuple[socket.socket, socket.socket]) -> None:
    """A broken pipe has the same name."""
    ours, theirs = pair
    theirs.close()
    with ours, pytest.raises(Disconnected):
        send(ours, {"t": "a"}, b"x" * 1_000_000)
