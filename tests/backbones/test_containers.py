"""Files that claim more than they hold are refused before they are decompressed."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch

from wsvad.backbones.containers import check_container
from wsvad.backbones.weights import load_weights
from wsvad.errors import WeightsError


def archive(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def test_files_of_pytorch_pass() -> None:
    """Files written by ``torch.save``, and data that is no container, are accepted."""
    out = io.BytesIO()
    torch.save({"w": torch.zeros(1000), "b": torch.ones(3, 3)}, out)
    for data in (out.getvalue(), b"", b"\x80\x02}.", bytes(100)):
        check_container(data)


def test_a_zip_bomb_is_refused_before_decompression() -> None:
    """A megabyte that would expand to a gigabyte."""
    bomb = archive({"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 16
    with pytest.raises(WeightsError, match="a compressed archive"):
        load_weights(bomb)


def test_parts_that_overlap_are_refused() -> None:
    """Many names for the same bytes claim more than the file holds."""
    data = archive({"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(4000)})
    start = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    end = data.index(b"PK\x05\x06")
    entry, tail = data[start:end], data[end:]
    many = 50
    forged = data[:end] + entry * many + tail[:8] + (2 + many).to_bytes(2, "little") * 2
    forged += (int.from_bytes(tail[12:16], "little") + len(entry) * many).to_bytes(4, "little") + tail[16:]
    assert len(zipfile.ZipFile(io.BytesIO(forged)).infolist()) == 2 + many
    with pytest.raises(WeightsError, match=r"the parts of the archive are larger than the file of \d+ bytes"):
        load_weights(forged)


def test_an_excessive_header_is_refused() -> None:
    """A safetensors header of terabytes, or one that is merely too large."""
    for size in (2**63, (16 << 20) + 1):
        with pytest.raises(WeightsError, match=f"a safetensors header of {size} bytes"):
            load_weights(size.to_bytes(8, "little") + b"{" + b" " * 100)
    with pytest.raises(WeightsError, match="the pickle in the archive is larger"):
        load_weights(archive({"archive/data.pkl": bytes((16 << 20) + 1)}))


def test_a_truncated_archive_is_refused() -> None:
    """The list of parts is at the end of a zip archive."""
    data = archive({"archive/data.pkl": b"\x80\x02}."})
    with pytest.raises(WeightsError, match="damaged: not a complete zip archive"):
        load_weights(data[:-4])


DOUBLED = b")" + b"q\x00h\x00\x86" * 80
"""A tuple of 2**80 tuples in 400 bytes."""


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02}" + DOUBLED + b"K\x01s.",
        b"\x80\x02}(" + DOUBLED + b"K\x01u.",
        b"\x80\x02ccollections\nOrderedDict\n(]" + DOUBLED + b"K\x01\x86atR.",
    ],
)
@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_exponentially_nested_keys_are_refused_at_once(pickled: bytes, form: str) -> None:
    """Python would need exponential time to hash them."""
    data = archive({"archive/data.pkl": pickled, "archive/version": b"3\n"}) if form == "zip" else pickled
    if form == "legacy":
        out = io.BytesIO()
        torch.save({}, out, _use_new_zipfile_serialization=False)
        start = [place for place, byte in enumerate(out.getvalue()) if byte == 0x80][3]
        data = out.getvalue()[:start] + pickled
    with pytest.raises(WeightsError, match="excessively nested tuples"):
        load_weights(data)
