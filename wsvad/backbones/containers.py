"""Check a weight file before reading it, so that memory and time stay proportional to its size.

* PyTorch's zip archives store tensors uncompressed. A compressed archive, or parts that overlap, could expand to fill
  the memory; so could an excessive header.
* Pickled tuples that nest the same tuple twice at every level need few bytes but exponential time to compare or hash,
  which a reader does if it uses them as keys.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from typing import Any

from wsvad.errors import WeightsError

MAX_HEADER = 16 << 20
"""Maximum bytes of names, shapes and offsets; a network of thousands of tensors needs a hundredth."""
_MAX_PARTS = 1 << 16
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_LEGACY_PICKLES = 5
"""Pickles in a file of the legacy format: magic number, protocol version, system information, tensors, storage keys."""
_MAX_INSTRUCTIONS = 1 << 20
_MAX_NESTED = 1 << 16
"""Maximum items of a tuple, counting the items of nested tuples at every occurrence."""


def check_container(data: bytes) -> None:
    """Refuse a file that claims more than it holds. Files that are neither zip, safetensors nor pickle are not checked.

    Raises:
        WeightsError: Compressed parts, parts that overlap or lie outside the file, or an excessive header.
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
        raise WeightsError(f"damaged: not a complete zip archive ({error})") from error
    if len(parts) > _MAX_PARTS:
        raise WeightsError(f"an archive of {len(parts)} parts; expected at most {_MAX_PARTS}")
    if any(part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size for part in parts):
        raise WeightsError("a compressed archive; expected uncompressed tensors, as PyTorch stores them")
    if sum(part.file_size for part in parts) > len(data):
        raise WeightsError(f"the parts of the archive are larger than the file of {len(data)} bytes")
    pickles = [part for part in parts if part.filename.endswith(".pkl")]
    if sum(part.file_size for part in pickles) > MAX_HEADER:
        raise WeightsError(f"the pickle in the archive is larger than {MAX_HEADER} bytes")
    for part in pickles:
        try:
            content = archive.read(part)
        except (zipfile.BadZipFile, OSError, RuntimeError, EOFError) as error:
            raise WeightsError(f"damaged: a part of the archive is unreadable ({error})") from error
        _check_pickle(io.BytesIO(content))


def _check_pickle(file: io.BytesIO) -> bool:
    """Check one pickle without executing it; return whether it is complete.

    All other errors are left to the reader, which refuses the file afterwards.
    """
    stack: list[Any] = []
    memo: dict[int, int] = {}
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= _MAX_INSTRUCTIONS:
                raise WeightsError(f"the pickle has more than {_MAX_INSTRUCTIONS} instructions")
            _step(stack, memo, opcode, argument)
    except (ValueError, IndexError, KeyError, UnicodeError, OverflowError):
        return False
    return True


def _step(stack: list[Any], memo: dict[int, int], opcode: pickletools.OpcodeInfo, argument: Any) -> None:
    """Apply a pickle instruction to a stack of object sizes."""
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
            raise WeightsError("the pickle has excessively nested tuples")
    elif opcode.name == "DUP":
        stack.extend(taken * 2)
    else:
        stack.extend(_MARK if kind is pickletools.markobject else 1 for kind in opcode.stack_after)


_MARK = None
"""Marks the start of a sequence on the stack; all other entries are item counts."""


def _take(stack: list[Any], opcode: pickletools.OpcodeInfo) -> list[int]:
    """Pop what an instruction pops; memo instructions pop nothing."""
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
