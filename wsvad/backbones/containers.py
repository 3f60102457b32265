"""What a file of weights claims to hold, looked at before anything is unpacked, so that memory stays within its size.

PyTorch's zip archives hold their tensors as they are. One that is packed, or whose parts are more than the file, would
fill memory with what never was in it; the same goes for a header that is larger than any network's.
"""

from __future__ import annotations

import io
import zipfile

from wsvad.errors import WeightsError

MAX_HEADER = 16 << 20
"""Bytes of names, shapes and places; a network of thousands of tensors needs a hundredth."""
_MAX_PARTS = 1 << 16
_ZIP = b"PK\x03\x04"


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


def _check_zip(data: bytes) -> None:
    try:
        parts = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise WeightsError(f"damaged: not a whole zip archive ({error})") from error
    if len(parts) > _MAX_PARTS:
        raise WeightsError(f"an archive of {len(parts)} parts; expected at most {_MAX_PARTS}")
    if any(part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size for part in parts):
        raise WeightsError("a packed archive; PyTorch stores tensors as they are, and unpacking could fill the memory")
    if sum(part.file_size for part in parts) > len(data):
        raise WeightsError(f"the parts of the archive are more than its {len(data)} bytes")
    if sum(part.file_size for part in parts if part.filename.endswith(".pkl")) > MAX_HEADER:
        raise WeightsError(f"the archive's list of tensors is larger than {MAX_HEADER} bytes")
