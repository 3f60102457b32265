"""What a file of weights claims to hold, looked at before it is read, so that memory and time stay within its size.

PyTorch's zip archives hold their tensors as they are. One that is packed, or whose parts are more than the file, would
fill memory with what never was in it; the same goes for a header that is larger than any network's. In a pickle, tuples
of the same tuple twice, and so on, are few bytes and for ever to compare or to hash, which a reader does that uses them
as keys.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from typing import Any

from wsvad.errors import WeightsError

MAX_HEADER = 16 << 20
"""Bytes of names, shapes and places; a network of thousands of tensors needs a hundredth."""
_MAX_PARTS = 1 << 16
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_LEGACY_PICKLES = 5
"""In a file of old form: its mark, a version, the machine, the tensors, and the order of their bytes behind."""
_MAX_INSTRUCTIONS = 1 << 20
_MAX_NESTED = 1 << 16
"""Items of a tuple, those of the tuples in it included, each as often as it is met."""


def check_container(data: bytes) -> None:
    """Refuse a file that claims more than it holds; what is neither zip nor safetensors is not looked at.

    Raises:
        WeightsError: packed parts, parts that overlap or lie outside of the file, or an absurd header.
    """
    if data.startswith(_ZIP):
        _check_zip(data)
    elif data[8:9] == b"{":
        size = int.from_bytes(data[:8], "little")
        if size > MAX_HEADER:
            raise WeightsError(f"damaged: a safetensors header of {size} bytes; expected at most {MAX_HEADER}")
    elif data.startswith(_PICKLE):
        file = io.BytesIO(data)
        for _ in range(_LEGACY_PICKLES):
            if not _check_pickle(file):
                break


def _check_zip(data: bytes) -> None:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise WeightsError(f"damaged: not a whole zip archive ({error})") from error
    if len(parts) > _MAX_PARTS:
        raise WeightsError(f"an archive of {len(parts)} parts; expected at most {_MAX_PARTS}")
    if any(part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size for part in parts):
        raise WeightsError("a packed archive; PyTorch stores tensors as they are, and unpacking could fill the memory")
    if sum(part.file_size for part in parts) > len(data):
        raise WeightsError(f"the parts of the archive are more than its {len(data)} bytes")
    pickles = [part for part in parts if part.filename.endswith(".pkl")]
    if sum(part.file_size for part in pickles) > MAX_HEADER:
        raise WeightsError(f"the archive's list of tensors is larger than {MAX_HEADER} bytes")
    for part in pickles:
        try:
            content = archive.read(part)
        except (zipfile.BadZipFile, OSError, RuntimeError, EOFError) as error:
            raise WeightsError(f"damaged: a part of the archive cannot be read ({error})") from error
        _check_pickle(io.BytesIO(content))


def _check_pickle(file: io.BytesIO) -> bool:
    """Walk through one pickle without doing what it says; return whether it has an end.

    What is wrong with it otherwise is left to the reader, which comes next and refuses it.
    """
    stack: list[Any] = []
    memo: dict[int, int] = {}
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= _MAX_INSTRUCTIONS:
                raise WeightsError(f"a list of tensors of more than {_MAX_INSTRUCTIONS} instructions")
            _step(stack, memo, opcode, argument)
    except (ValueError, IndexError, KeyError, UnicodeError, OverflowError):
        return False
    return True


def _step(stack: list[Any], memo: dict[int, int], opcode: pickletools.OpcodeInfo, argument: Any) -> None:
    """Do to a stack of sizes what an instruction does to a stack of objects."""
    taken = _take(stack, opcode)
    if opcode.name in ("BINPUT", "LONG_BINPUT", "PUT"):
        memo[argument] = stack[-1]
    elif opcode.name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif opcode.name in ("BINGET", "LONG_BINGET", "GET"):
        stack.append(memo[argument])
    elif opcode.name.startswith("TUPLE"):
        stack.append(1 + sum(taken))
        if stack[-1] > _MAX_NESTED:
            raise WeightsError("tuples within tuples without end; a list of tensors has no use for them")
    elif opcode.name == "DUP":
        stack.extend(taken * 2)
    else:
        stack.extend(_MARK if kind is pickletools.markobject else 1 for kind in opcode.stack_after)


_MARK = None
"""Where a run of items on the stack begins; anything else on it is the number of its items."""


def _take(stack: list[Any], opcode: pickletools.OpcodeInfo) -> list[int]:
    """Take off the stack what an instruction takes; memory instructions only look."""
    if opcode.name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
        return []
    before = opcode.stack_before
    taken: list[int] = []
    if pickletools.markobject in before:
        while (item := stack.pop()) is not _MARK:
            taken.append(item)
        before = before[: before.index(pickletools.markobject)]
    for _ in before:
        taken.append(stack.pop() or 0)
    return taken
