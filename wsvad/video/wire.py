"""Messages between the reader and its decode child: a JSON object and an optional binary payload on a stream socket."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEADER = struct.Struct("<II")
MAX_JSON = 64 << 20
"""Maximum bytes of JSON in one message; the largest is an index with a seek point per 30 s of footage."""

Message = dict[str, Any]


class Disconnected(Exception):
    """The other end closed the connection."""


class Violation(Exception):
    """The other end sent something that violates the protocol of this module."""


def send(sock: socket.socket, message: Message, payload: bytes = b"", fds: tuple[int, ...] = ()) -> None:
    """Send one message. Raises Disconnected if the other end is gone. Callers must serialize their sends."""
    text = json.dumps(message, separators=(",", ":")).encode()
    head = _HEADER.pack(len(text), len(payload)) + text
    try:
        if fds:
            sent = socket.send_fds(sock, [head], fds)
            head = head[sent:]
        sock.sendall(head)
        if payload:
            sock.sendall(payload)
    except OSError as error:
        raise Disconnected(str(error)) from error


def _exactly(sock: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        try:
            got = sock.recv_into(view[done:])
        except OSError as error:
            raise Disconnected(str(error)) from error
        if got == 0:
            raise Disconnected("end of stream")
        done += got
    return data


def receive(sock: socket.socket, max_payload: int) -> tuple[Message, bytearray, list[int]]:
    """Return the next message, its payload and the file descriptors sent with it.

    Raises Disconnected at the end of the stream, and Violation for an invalid message.
    """
    try:
        head, fds, _, _ = socket.recv_fds(sock, _HEADER.size, 4)
    except OSError as error:
        raise Disconnected(str(error)) from error
    if not head:
        raise Disconnected("end of stream")
    head += bytes(_exactly(sock, _HEADER.size - len(head)))
    json_length, payload_length = _HEADER.unpack(head)
    if json_length > MAX_JSON or payload_length > max_payload:
        raise Violation(f"message too large: {json_length} + {payload_length} bytes")
    try:
        message = json.loads(_exactly(sock, json_length))
    except (ValueError, RecursionError) as error:
        raise Violation("message is not JSON") from error
    if not isinstance(message, dict):
        raise Violation("message is not an object")
    return message, _exactly(sock, payload_length), fds
