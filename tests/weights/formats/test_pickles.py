"""Pickles of arrays, read without unpickling: written by Python 2 and 3, and by an attacker."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weights.checkpoints import Python2, python2_pickle
from wsvad.errors import WeightsError
from wsvad.weights.formats.caffe2 import public_name, resnet_state
from wsvad.weights.formats.pickles import read_arrays

ARRAYS = {
    "conv": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "bytes above 127": np.array([-1.5, np.nan, 3e38], np.float32),
    "double": np.array([np.pi]),
    "int": np.array([[1, -2]], np.int64),
    "big-endian": np.array([1.0, 2.5], ">f4"),
    "scalar": np.array(7, np.int32),
    "empty": np.zeros((0, 4), np.float32),
    "flags": np.array([True, False]),
}


def same(read: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    """Whether names, types, shapes and values agree."""
    return set(read) == set(wanted) and all(
        (read[name].dtype.newbyteorder("="), read[name].shape) == (values.dtype.newbyteorder("="), values.shape)
        and np.array_equal(read[name], values, equal_nan=values.dtype.kind == "f")
        for name, values in wanted.items()
    )


def test_pickles_of_python_2_are_read() -> None:
    """Text as latin-1, long dimensions; the step counter is left out."""
    data = python2_pickle(ARRAYS | {"model_iter": 400_000})
    assert same(read_arrays(data), ARRAYS)
    assert same(
        read_arrays(data),
        {k: v for k, v in pickle.loads(data, encoding="latin-1")["blobs"].items() if k != "model_iter"},
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("outer", [dict, collections.OrderedDict, lambda arrays: {"blobs": arrays, "step": 3}])
def test_pickles_of_python_3_are_read(protocol: int, outer: type) -> None:
    """Fortran order, NumPy scalars, repeated arrays, in a dictionary or under ``blobs``."""
    arrays = ARRAYS | {"fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "conv again": ARRAYS["conv"]}
    wanted = arrays | {"number": np.asarray(np.float32(2.5))}
    assert same(read_arrays(pickle.dumps(outer(arrays | {"number": np.float32(2.5)}), protocol)), wanted)


class Payload:
    """An object whose unpickling would make a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_is_not_executed(protocol: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is refused without effect; Python's own unpickler would have executed it."""
    canary = tmp_path_factory.mktemp("canary") / "executed"
    data = pickle.dumps({"blobs": {"w": ARRAYS["conv"], "x": Payload(str(canary))}}, protocol)
    with pytest.raises(WeightsError, match=r"refers to '(posix|nt)\.mkdir'|instruction"):
        read_arrays(data)
    assert not canary.exists()
    pickle.loads(data)
    assert canary.exists(), "the payload of this test must work, or it proves nothing"


def hand_made(body: bytes) -> bytes:
    """A dictionary with one value that these instructions leave on the stack."""
    return b"\x80\x02}U\x01w" + body + b"s."


def array(shape: bytes, content: bytes, code: bytes = b"f4") -> bytes:
    """Instructions that build one array."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nU" + bytes([len(code)]) + code
        + b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U"
        + bytes([len(content)]) + content + b"tb"
    )  # fmt: skip


BILLION_LAUGHS = b"U\x01a\x85" + b"".join(b"q%cU\x01bh%c\x86" % (n, n) for n in range(100))
DOUBLED = b")q\x00" + b"0h\x00h\x00\x86q\x00" * 60
HOSTILE = {
    "shape that overflows": (array(b"\x8a\x08" + b"\xff" * 7 + b"\x3f" + b"\x85", b"1234"), "invalid shape"),
    "more than its bytes": (array(b"J\xff\xff\xff\x3f\x85", b"1234"), "match its shape"),
    "less than its bytes": (array(b"K\x01\x85", b"12345678"), "match its shape"),
    "below 0": (array(b"J\xff\xff\xff\xff\x85", b"1234"), "invalid shape"),
    "shape that is no numbers": (array(b"U\x01a\x85", b"1234"), "invalid shape"),
    "rank of 9": (array(b"(" + b"K\x01" * 9 + b"t", b"1234"), "invalid shape"),
    "objects": (array(b"K\x01\x85", b"12345678", b"O8"), "array type 'O8'"),
    "structures": (array(b"K\x01\x85", b"1234", b"V4"), "array type 'V4'"),
    "text": (array(b"K\x01\x85", b"1234", b"S4"), "array type 'S4'"),
    "number as a type": (b"cnumpy\ndtype\nK\x04K\x00K\x01\x87R", "calls dtype with unsupported arguments"),
    "built twice": (array(b"K\x01\x85", b"1234") + b"(K\x01K\x01\x85Ntb", "unsupported"),
    "a call of a call": (b"cnumpy\ndtype\ncnumpy\ndtype\n\x85R", "unsupported"),
    "a call of a number": (b"K\x01)R", "is not callable"),
    "getattr": (b"cbuiltins\ngetattr\n", "refers to 'builtins.getattr'"),
    "file loader": (b"cnumpy\nload\n", "refers to 'numpy.load'"),
    "doubled tuples as a shape": (array(DOUBLED, b"1234").replace(b"0h", b"h"), "invalid shape|unsupported|damaged"),
    "persistent id": (b"U\x01aQ", "instruction BINPERSID"),
    "object": (b"(cos\nsystem\nU\x02lso", "refers to 'os.system'|instruction"),
    "instance": (b"(U\x02lsios\nsystem\n", "instruction INST"),
    "new object": (b"cnumpy\nndarray\n)\x81", "instruction NEWOBJ"),
    "extension": (b"\x82\x01", "instruction EXT1"),
    "number of digits": (b"I" + b"9" * 100 + b"\n", "instruction INT|damaged"),
    "absent memory": (b"h\x63", "damaged"),
    "empty stack": (b"\x87", "damaged"),
    "nothing marked": (b"t", "damaged"),
    "cut": (b"T\xff\xff\xff\x7fabc", "damaged"),
    "negative length": (b"T\xff\xff\xff\xffabc", "damaged"),
    "list": (b"](K\x01K\x02e", "without arrays"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_pickles_are_refused(what: str) -> None:
    """Each with its reason, at once."""
    body, message = HOSTILE[what]
    with pytest.raises(WeightsError, match=message):
        read_arrays(hand_made(body))


def test_keys_must_be_text() -> None:
    """A tuple of nested tuples takes exponential time to hash; it is never hashed."""
    doubled = b")" + b"q\x00h\x00\x86" * 80
    with pytest.raises(WeightsError, match="a dictionary with text keys"):
        read_arrays(b"\x80\x02}" + doubled + b"K\x01s.")
    with pytest.raises(WeightsError, match="dictionary of arrays, got a tuple"):
        read_arrays(b"\x80\x02" + doubled + b".")


def test_bytes_cannot_be_reused_for_many_arrays() -> None:
    """A file of kilobytes that would fill gigabytes with copies of the same text is refused."""
    content = b"T" + struct.pack("<i", 4000) + bytes(4000) + b"q\x01"
    one = array(b"M\xe8\x03\x85", b"").replace(b"U\x00tb", b"h\x01tb")
    many = b"".join(b"U\x02%02d" % n + one for n in range(50))
    with pytest.raises(WeightsError, match="larger than the file"):
        read_arrays(b"\x80\x02" + content + b"0}(".replace(b"0", b"") + many + b"u.")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_altered_and_truncated_pickles_are_read_or_refused(data: st.DataObject) -> None:
    """Any byte changed, any length: arrays within the size of the file, or a WeightsError."""
    whole = python2_pickle({"w": ARRAYS["conv"], "b": ARRAYS["double"], "model_iter": 3})
    altered = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        altered[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(altered[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(WeightsError):
        assert sum(values.nbytes for values in read_arrays(cut).values()) <= len(cut)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    """Never another error than WeightsError."""
    with pytest.raises(WeightsError):
        read_arrays(b"\x80\x02" + noise)


def test_blobs_are_named_as_the_public_converter_names_them() -> None:
    """Stem, blocks, shortcut, classifier; training state is left out."""
    blobs = {
        "conv1_w": "conv1.weight",
        "res_conv1_bn_riv": "bn1.running_var",
        "res2_0_branch2a_w": "layer1.0.conv1.weight",
        "res3_3_branch2b_bn_s": "layer2.3.bn2.weight",
        "res4_5_branch2c_bn_rm": "layer3.5.bn3.running_mean",
        "res5_0_branch1_w": "layer4.0.downsample.0.weight",
        "res5_0_branch1_bn_b": "layer4.0.downsample.1.bias",
        "pred_w": "fc.weight",
        "pred_b": "fc.bias",
    }
    assert {name: public_name(name) for name in blobs} == blobs
    values = np.ones(3, np.float32)
    training = {"conv1_w_momentum": values, "lr": values, "model_iter": values}
    assert set(resnet_state(dict.fromkeys(blobs, values) | training)) == set(blobs.values())


@pytest.mark.parametrize(
    "name", ["res6_0_branch2a_w", "res2_0_branch2d_w", "res2_0_branch2a_w2", "nonlocal_conv3_1_theta_w"]
)
def test_blobs_of_another_network_are_refused(name: str) -> None:
    """By name; non-local blocks are reported as unsupported."""
    with pytest.raises(WeightsError, match=f"unexpected '{name}'.*{'not supported' if 'nonlocal' in name else ''}"):
        resnet_state({name: np.ones(3, np.float32)})


def test_integer_blobs_are_refused() -> None:
    """Integers where weights should be."""
    with pytest.raises(WeightsError, match="'conv1_w' has type int64"):
        resnet_state({"conv1_w": np.ones(3, np.int64)})


def test_python_reads_the_pickles_of_these_tests() -> None:
    """Otherwise the reader and the writer could share a mistake."""
    writer = Python2()
    loaded = pickle.loads(writer.blobs({"w": ARRAYS["conv"]}), encoding="latin-1")
    assert np.array_equal(loaded["blobs"]["w"], ARRAYS["conv"])
