"""Checkpoints written by TensorFlow, read without it, including damaged and hostile ones."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backbones.reference import published_shapes
from tests.weights.checkpoints import DATA, unpack, written_value
from wsvad.errors import WeightsError
from wsvad.weights.formats.crc32c import crc32c
from wsvad.weights.formats.inception import inception_state, public_name
from wsvad.weights.formats.sstable import MAGIC, read_table
from wsvad.weights.formats.tensorflow import Bundle

SMALL = unpack("tensorflow_small.tar.xz")
INDEX, SHARD = SMALL["model.ckpt.index"], SMALL["model.ckpt.data-00000-of-00001"]
PUBLIC = published_shapes()


def small(index: bytes = INDEX, shard: bytes = SHARD) -> Bundle:
    """The small checkpoint, possibly altered."""
    return Bundle(index, lambda part: shard)


def test_every_type_of_fixed_size_is_read() -> None:
    """Values as given to TensorFlow 2.21, in many blocks of the index."""
    bundle = small()
    wanted = {
        "a/half": np.array([[1.5, -2], [3, 65504]], np.float16),
        "a/bfloat": np.array([1, -0.5, 3], np.float32),
        "a/double": np.array([np.pi, 1e300]),
        "a/int64": np.array([2**40, -7]),
        "a/int32": np.array(5, np.int32),
        "a/bool": np.array([True, False]),
        "a/float": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "empty": np.zeros((0, 3), np.float32),
    } | {f"many/layer_{i:03d}/w": np.full(i % 3 + 1, i, np.float32) for i in range(300)}
    assert set(bundle.entries) == set(wanted)
    for name, values in wanted.items():
        read = bundle.array(name)
        assert (read.dtype, read.shape) == (values.dtype, values.shape), name
        assert np.array_equal(read, values), name


def test_a_complete_i3d_has_the_public_names_axes_and_values() -> None:
    """Names and shapes of DeepMind's checkpoint, written by TensorFlow; values end up where PyTorch expects them."""
    files = unpack("tensorflow_i3d.tar.xz")
    bundle = Bundle(files["model.ckpt.index"], lambda part: files[f"model.ckpt.data-{part}"])
    state = inception_state(bundle)
    wanted = {name: shape for name, shape in PUBLIC.items() if not name.endswith("num_batches_tracked")}
    assert {name: values.shape for name, values in state.items()} == wanted
    stem = written_value("RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w", (7, 7, 7, 3, 64))
    assert state["Conv3d_1a_7x7.conv3d.weight"][5, 2, 1, 0, 6] == stem[1, 0, 6, 2, 5]
    odd = written_value("RGB/inception_i3d/Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w", (3, 3, 3, 32, 128))
    assert np.array_equal(state["Mixed_5b.b2b.conv3d.weight"], np.einsum("thwio->oithw", odd))
    for part, leaf in (("beta", "bias"), ("moving_mean", "running_mean"), ("moving_variance", "running_var")):
        values = written_value(f"RGB/inception_i3d/Mixed_4e/Branch_1/Conv3d_0b_3x3/batch_norm/{part}", (288,))
        assert np.array_equal(state[f"Mixed_4e.b1b.bn.{leaf}"], values), leaf
    assert (state["Mixed_4e.b1b.bn.weight"] == 1).all()
    bias = written_value("RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d/b", (400,))
    assert np.array_equal(state["logits.conv3d.bias"], bias)


@pytest.mark.parametrize(("name", "variables"), [("rgb_imagenet", 230), ("rgb_kin600", 346)])
def test_the_published_indexes_map_onto_the_public_names(name: str, variables: int) -> None:
    """The real ``.index`` files of ``deepmind/kinetics-i3d``: all of I3D, each variable once, with the right axes."""
    bundle = small((DATA / f"kinetics_i3d_{name}.index").read_bytes())
    assert len(bundle.entries) == variables
    kept = {public_name(key): e.shape for key, e in bundle.entries.items() if not key.endswith("/Momentum")}
    learned = {key for key in PUBLIC if not key.endswith(("num_batches_tracked", "bn.weight"))}
    assert set(kept) == learned
    for key, shape in kept.items():
        public = PUBLIC[key]
        if key.endswith("conv3d.weight") and key != "logits.conv3d.weight":
            assert tuple(shape[i] for i in (4, 3, 0, 1, 2)) == public, key
        elif not key.startswith("logits"):
            assert tuple(size for size in shape if size != 1) == public, key


def test_checksums_of_the_data_are_verified() -> None:
    """One flipped bit in any tensor is detected; the others are still read."""
    entry = small().entries["a/float"]
    altered = bytearray(SHARD)
    altered[entry.start + 5] ^= 1
    bundle = small(shard=bytes(altered))
    with pytest.raises(WeightsError, match="'a/float' is damaged"):
        bundle.array("a/float")
    assert bundle.array("a/int32") == 5


def test_truncated_data_is_refused() -> None:
    """The error states that the location is outside the file."""
    bundle = small(shard=SHARD[:-4])
    last = max(bundle.entries.values(), key=lambda entry: entry.start)
    (name,) = (name for name, entry in bundle.entries.items() if entry == last)
    with pytest.raises(WeightsError, match="truncated or belongs to another checkpoint"):
        bundle.array(name)


def test_text_tensors_are_refused() -> None:
    """Strings have no fixed size; numbers in the same file are read."""
    bundle = Bundle(SMALL["text.ckpt.index"], lambda part: SMALL[f"text.ckpt.data-{part}"])
    assert bundle.array("x") == 1
    with pytest.raises(WeightsError, match="'text' has type 7; expected plain numbers"):
        bundle.array("text")


def test_another_network_is_refused_by_name() -> None:
    """The error names a variable that is not part of I3D."""
    foreign = table(HEADER | {b"dense/kernel": FLOAT_OF_4})
    with pytest.raises(WeightsError, match="unexpected 'dense/kernel', which is not part of an Inception-v1 I3D"):
        inception_state(Bundle(foreign, lambda part: bytes(4)))


def varint(value: int) -> bytes:
    """Return an integer as a Protocol Buffers varint."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def table(entries: dict[bytes, bytes], *, restarts: int = 1) -> bytes:
    """Return a table of one block with valid checksums, as an attacker would write it."""

    def block(pairs: dict[bytes, bytes]) -> bytes:
        content = b"".join(b"\0" + varint(len(k)) + varint(len(v)) + k + v for k, v in pairs.items())
        content += bytes(4 * restarts) + struct.pack("<I", restarts)
        crc = crc32c(content + b"\0")
        return content + b"\0" + struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    data = block(entries)
    index = block({b"\xff": varint(0) + varint(len(data) - 5)})
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    return data + index + footer.ljust(40, b"\0") + MAGIC


HEADER = {b"": b"\x08\x01\x1a\x02\x08\x01"}
FLOAT_OF_4 = b"\x08\x01\x12\x04\x12\x02\x08\x01\x28\x04"
HOSTILE = {
    "no header": ({b"w": FLOAT_OF_4}, "has no header"),
    "no shards": ({b"": b"\x08\x00"}, "has 0 data files"),
    "a million shards": ({b"": b"\x08" + varint(10**6)}, "has 1000000 data files"),
    "big-endian": ({b"": b"\x08\x01\x10\x01"}, "big-endian"),
    "offset out of the file": (HEADER | {b"w": FLOAT_OF_4 + b"\x20" + varint(2**62)}, "ends at byte"),
    "offset below 0": (HEADER | {b"w": FLOAT_OF_4 + b"\x20" + varint(2**64 - 4)}, "negative offset or size"),
    "size below 0": (HEADER | {b"w": b"\x08\x01\x28" + varint(2**64 - 4)}, "negative offset or size"),
    "shape that overflows": (
        HEADER | {b"w": b"\x08\x01\x12\x10" + (b"\x12\x06\x08" + varint(2**32)) * 2 + b"\x28\x04"},
        "match its shape",
    ),
    "invalid shape": (
        HEADER | {b"w": b"\x08\x01\x12\x0b\x12\x09\x08" + varint(2**50)[:8] + b"\x28\x04"},
        "invalid shape",
    ),
    "rank of 100": (HEADER | {b"w": b"\x08\x01\x12" + varint(400) + b"\x12\x02\x08\x01" * 100}, "invalid shape"),
    "another shard": (HEADER | {b"w": FLOAT_OF_4 + b"\x18\x05"}, "in data file 5 of 1"),
    "slices": (HEADER | {b"w": FLOAT_OF_4 + b"\x3a\x00"}, "in slices"),
    "unknown type": (HEADER | {b"w": b"\x08\x63\x28\x00"}, "has type 99"),
    "field beyond the message": (HEADER | {b"w": b"\x12\x7f\x00"}, "beyond its message"),
    "endless number": (HEADER | {b"w": b"\x08" + b"\xff" * 12}, "longer than 64 bits"),
    "name that is no text": (HEADER | {b"\xff\xfe": FLOAT_OF_4}, "not text"),
    "checksum": (HEADER | {b"w": FLOAT_OF_4}, "checksum mismatch"),
}


def read_all(index: bytes) -> None:
    """Read every tensor of a checkpoint whose data file has four bytes."""
    bundle = Bundle(index, lambda part: bytes(4))
    for name in bundle.entries:
        bundle.array(name)


@pytest.mark.parametrize("what", HOSTILE)
def test_invalid_entries_are_refused(what: str) -> None:
    """Although every checksum of the index is correct."""
    entries, message = HOSTILE[what]
    with pytest.raises(WeightsError, match=message):
        read_all(table(entries))


def test_a_table_with_invalid_blocks_is_refused() -> None:
    """Blocks outside the file, an altered one, keys out of order, a truncated end, an empty file."""
    good = table(HEADER | {b"w": FLOAT_OF_4})
    assert list(read_table(good)) == [b"", b"w"]
    for broken, message in (
        (good[:-48] + varint(0) * 2 + varint(2**40) + varint(9) + good[-48 + 9 :], "outside the file"),
        (good.replace(b"w", b"v"), "checksum"),
        (table({b"b": b"", b"a": b""}), "not in order"),
        (good[:-1], "without its magic number"),
        (b"", "without its magic number"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_table(broken)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(INDEX) - 1), st.integers(1, 255))
def test_any_altered_byte_of_an_index_is_detected_or_harmless(place: int, change: int) -> None:
    """Every byte is covered by a checksum, or part of the footer, where only unused bytes may change."""
    altered = bytearray(INDEX)
    altered[place] ^= change
    try:
        bundle = small(bytes(altered))
    except WeightsError:
        return
    assert bundle.entries == small().entries
    assert place >= len(INDEX) - 48


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_noise_with_the_right_magic_number_is_refused(noise: bytes) -> None:
    """Whatever precedes the magic number: a WeightsError, never another error."""
    with pytest.raises(WeightsError):
        Bundle(noise + bytes(48 - 8) + MAGIC, lambda part: b"")
    with pytest.raises(WeightsError):
        Bundle(noise + MAGIC, lambda part: b"")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_any_entry_is_read_or_refused(value: bytes) -> None:
    """Arbitrary bytes as an entry: a tensor of the file's own bytes, or a WeightsError."""
    with contextlib.suppress(WeightsError):
        bundle = Bundle(table(HEADER | {b"w": value}), lambda part: bytes(16))
        assert bundle.array("w").nbytes <= 32
