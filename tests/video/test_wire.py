"""Messages over a socket pair."""

from __future__ import annotations

import os
import socket

import pytest

from wsvad.video.wire import Disconnected, Violation, receive, send


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets."""
    return socket.socketpair()


def test_messages_payloads_and_descriptors_arrive_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    """Two messages sent at once stay separate, and a descriptor stays usable."""
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


@pytest.mark.parametrize("rest", [b"", b"\x01\x00", b"\x02\x00\x00\x00\x00\x00\x00\x00{"])
def test_an_end_at_any_position_is_a_disconnection(pair: tuple[socket.socket, socket.socket], rest: bytes) -> None:
    """Between messages, in a header or in a body."""
    ours, theirs = pair
    with theirs:
        with ours:
            ours.sendall(rest)
        with pytest.raises(Disconnected):
            receive(theirs, 10)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff\x00\x00\x00\x00",
        b"\x02\x00\x00\x00\x0b\x00\x00\x00{}",
        b"\x02\x00\x00\x00\x00\x00\x00\x00{x",
        b"\x02\x00\x00\x00\x00\x00\x00\x0042",
        b"\x00\x80\x00\x00\x00\x00\x00\x00" + b"[" * 0x8000,
    ],
    ids=["huge message", "payload not allowed", "not JSON", "not an object", "nested too deeply"],
)
def test_garbage_is_a_violation(pair: tuple[socket.socket, socket.socket], garbage: bytes) -> None:
    """Whatever a broken child writes, the parent detects it without allocating for it."""
    ours, theirs = pair
    with theirs:
        with ours:
            ours.sendall(garbage)
        with pytest.raises(Violation):
            receive(theirs, 10)


def test_sending_to_a_closed_socket_is_a_disconnection(pair: tuple[socket.socket, socket.socket]) -> None:
    """A broken pipe raises Disconnected too."""
    ours, theirs = pair
    theirs.close()
    with ours, pytest.raises(Disconnected):
        send(ours, {"t": "a"}, b"x" * 1_000_000)
