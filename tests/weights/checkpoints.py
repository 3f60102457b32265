"""Checkpoints written by TensorFlow itself, and pickles as written by Python 2 and NumPy."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"


def unpack(name: str) -> dict[str, bytes]:
    """Return the files of an archive in the test data."""
    with tarfile.open(DATA / name) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {Path(m.name).name: archive.extractfile(m).read() for m in members}


def written_value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the value of a variable as given to TensorFlow; see ``README-weights.md`` in the test data."""
    size, period = int(np.prod(shape)), zlib.crc32(name.encode()) % 200 + 17
    values = (np.arange(size) % period).astype(np.float32) / 64
    return (values + (0.5 if name.endswith("variance") else -1)).reshape(shape)


class Python2:
    """Writes a dictionary of arrays like ``cPickle`` of Python 2, protocol 2, instruction by instruction.

    It follows the public description of the instructions (``pickletools``) and ``ndarray.__reduce__`` of NumPy 1, and
    shares no code with the reader.
    """

    def __init__(self) -> None:
        self.out = io.BytesIO()

    def text(self, text: str) -> None:
        raw = text.encode("latin-1")
        self.out.write(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw)

    def number(self, value: int) -> None:
        self.out.write(b"J" + struct.pack("<i", value))

    def array(self, values: np.ndarray, module: str = "numpy.core.multiarray") -> None:
        self.out.write(f"c{module}\n_reconstruct\n".encode())
        self.out.write(b"cnumpy\nndarray\nK\x00\x85")
        self.text("b")
        self.out.write(b"\x87R(K\x01(")
        for size in values.shape:
            self.number(size)
        self.out.write(b"tcnumpy\ndtype\n")
        self.text(values.dtype.str[1:])
        self.out.write(b"K\x00K\x01\x87R(K\x03")
        self.text(values.dtype.str[0])
        self.out.write(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
        self.text(values.tobytes().decode("latin-1"))
        self.out.write(b"tb")

    def blobs(self, blobs: dict[str, object]) -> bytes:
        self.out.write(b"\x80\x02}")
        self.text("blobs")
        self.out.write(b"}(")
        for name, value in blobs.items():
            self.text(name)
            if isinstance(value, np.ndarray):
                self.array(value)
            else:
                self.number(int(value))
        self.out.write(b"us.")
        return self.out.getvalue()


def python2_pickle(blobs: dict[str, object]) -> bytes:
    """Return the file that ``pickle.dump(dict(blobs=blobs), file, HIGHEST_PROTOCOL)`` of Python 2 writes."""
    data = Python2().blobs(blobs)
    pickle.loads(data, encoding="latin-1")  # Python agrees that it is one
    return data


def caffe2_names(names_and_shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the PyTorch name and shape of every Caffe2 name, written out explicitly."""
    leaves = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}
    found = {}
    for name, shape in names_and_shapes.items():
        parts = name.split(".")
        if parts[0].startswith("layer"):
            prefix = f"res{int(parts[0][5:]) + 1}_{parts[1]}_branch"
            if parts[2] == "downsample":
                caffe2 = f"{prefix}1_w" if parts[3] == "0" else f"{prefix}1_bn_{leaves[parts[4]]}"
            else:
                branch = f"{prefix}2{' abc'[int(parts[2][-1])]}"
                caffe2 = f"{branch}_w" if parts[2].startswith("conv") else f"{branch}_bn_{leaves[parts[3]]}"
        elif parts[0] == "fc":
            caffe2 = f"pred_{parts[1][0]}"
        else:
            caffe2 = "conv1_w" if parts[0] == "conv1" else f"res_conv1_bn_{leaves[parts[1]]}"
        found[caffe2] = (name, shape)
    return found
