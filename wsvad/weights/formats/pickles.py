"""Read arrays from a pickle without unpickling, with an interpreter for the few instructions that such files need.

Python's own unpickler imports and calls what a file names; this interpreter calls nothing. It supports containers,
plain numbers, text, and arrays of plain numbers, written by any version of Python and NumPy (protocols 2 to 5, Python
2's text as latin-1). Everything else is refused by name. Memory is limited by the size of the file, time by its number
of instructions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import WeightsError

_MAX_INSTRUCTIONS = 1 << 20
_MAX_RANK = 8
_DTYPES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
_ORDERS = frozenset("<>=|")
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_GLOBALS = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "numpy.core.numeric _frombuffer": "_frombuffer",
    "numpy._core.numeric _frombuffer": "_frombuffer",
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    "collections OrderedDict": "OrderedDict",
} | {f"{module} {name}": name for module in _NUMPY for name in ("_reconstruct", "scalar")}
_PLAIN = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


@dataclass(frozen=True)
class _Global:
    """A function or class named in the file; a placeholder that is never resolved."""

    name: str


@dataclass(eq=False)
class _Dtype:
    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass(eq=False)
class _Array:
    values: NDArray[np.generic] | None = None


class _Mark:
    """Marks the start of a sequence on the stack."""


def read_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a pickled dictionary, or of the dictionary under its key ``blobs``, by name.

    Numbers and text in it (a step counter, a learning rate) are left out.

    Raises:
        WeightsError: Damaged, not a dictionary of arrays, or with unsupported objects.
    """
    content = _PickleInterpreter(len(data)).run(data)
    if isinstance(content, dict) and isinstance(content.get("blobs"), dict):
        content = content["blobs"]
    if not isinstance(content, dict):
        raise WeightsError(f"expected a pickled dictionary of arrays, got {_kind(content)}")
    arrays = {name: value.values for name, value in content.items() if isinstance(value, _Array)}
    if not arrays:
        raise WeightsError("expected a pickled dictionary of arrays, got one without arrays")
    return {name: values for name, values in arrays.items() if values is not None}


class _PickleInterpreter:
    """Stack and memo of one pickle.

    Args:
        max_bytes: Maximum size of all arrays; a file that uses the same bytes for many arrays is refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._bytes_left = max_bytes
        self._actions: Mapping[str, Callable[[Any], None]] = {
            "PROTO": self._skip, "FRAME": self._skip, "MARK": lambda _: self._stack.append(_Mark()),
            "EMPTY_DICT": lambda _: self._stack.append({}), "EMPTY_LIST": lambda _: self._stack.append([]),
            "TUPLE": lambda _: self._stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._pack(1), "TUPLE2": lambda _: self._pack(2), "TUPLE3": lambda _: self._pack(3),
            "BINPUT": self._put, "LONG_BINPUT": self._put, "MEMOIZE": lambda _: self._put(len(self._memo)),
            "BINGET": self._get, "LONG_BINGET": self._get,
            "SETITEM": lambda _: self._set(self._take(2)), "SETITEMS": lambda _: self._set(self._since_mark()),
            "APPEND": lambda _: self._append(self._take(1)), "APPENDS": lambda _: self._append(self._since_mark()),
            "GLOBAL": self._global, "STACK_GLOBAL": lambda _: self._stack_global(*self._take(2)),
            "REDUCE": lambda _: self._reduce(*self._take(2)), "BUILD": lambda _: self._build(*self._take(2)),
        }  # fmt: skip

    def run(self, data: bytes) -> Any:
        try:
            for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
                if number >= _MAX_INSTRUCTIONS:
                    raise WeightsError(f"the pickle has more than {_MAX_INSTRUCTIONS} instructions")
                if opcode.name == "STOP":
                    (result,) = self._take(1)
                    return result
                self._step(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            raise WeightsError(f"the pickle is damaged ({type(error).__name__}: {str(error)[:120]})") from error
        raise WeightsError("the pickle is truncated")

    def _step(self, name: str, argument: Any) -> None:
        if name in _PLAIN:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in self._actions:
            self._actions[name](argument)
        else:
            raise WeightsError(f"the pickle has the instruction {name}, which a file of plain arrays does not need")

    def _skip(self, argument: Any) -> None:
        pass

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count or any(isinstance(item, _Mark) for item in self._stack[-count:]):
            raise ValueError("too few items on the stack")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        for at in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[at], _Mark):
                items = self._stack[at + 1 :]
                del self._stack[at:]
                return items
        raise ValueError("no mark on the stack")

    def _pack(self, count: int) -> None:
        self._stack.append(tuple(self._take(count)))

    def _put(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise WeightsError("expected a dictionary with text keys")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ValueError("items appended to an object that is not a list")
        target.extend(items)

    def _global(self, name: str) -> None:
        if name not in _GLOBALS:
            raise WeightsError(
                f"the pickle refers to {name.replace(' ', '.')!r:.120}, which a file of plain arrays does not need "
                "and which may be malicious; nothing was executed"
            )
        self._stack.append(_Global(_GLOBALS[name]))

    def _stack_global(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a name that is not text")
        self._global(f"{module} {name}")

    def _reduce(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("a call of an object that is not callable")
        match function.name, arguments:
            case "_reconstruct", (_Global("ndarray"), *_):
                self._stack.append(_Array())
            case "dtype", (str(code), *_) if code in _DTYPES:
                self._stack.append(_Dtype(code))
            case "dtype", (str(code), *_):
                raise WeightsError(f"unsupported array type {code!r:.40}; expected plain numbers")
            case "scalar", (_Dtype() as dtype, str() | bytes() as content):
                self._stack.append(_Array(self._values((), dtype, content, "C")))
            case "_frombuffer", (bytes() | bytearray() as content, _Dtype() as dtype, tuple(shape), "C" | "F" as order):
                self._stack.append(_Array(self._values(shape, dtype, bytes(content), order)))
            case "bytes", ():
                self._stack.append(b"")
            case "encode", (str(text), "latin1" | "latin-1"):
                self._stack.append(text.encode("latin-1"))
            case "encode", (str(text),):
                self._stack.append(text.encode())
            case "OrderedDict", ():
                self._stack.append({})
            case name, _:
                raise WeightsError(f"the pickle calls {name} with unsupported arguments")

    def _build(self, target: Any, state: Any) -> None:
        match target, state:
            case _Dtype(), (int(), str(order), *_) if order in _ORDERS:
                target.order = order
            case _Array(values=None), (
                int(),
                tuple(shape),
                _Dtype() as dtype,
                bool(fortran),
                str() | bytes() as content,
            ):
                target.values = self._values(shape, dtype, content, "F" if fortran else "C")
            case _:
                raise WeightsError(f"the pickle builds {_kind(target)} with unsupported state; expected arrays")
        self._stack.append(target)

    def _values(self, shape: tuple[Any, ...], dtype: _Dtype, content: str | bytes, order: Any) -> NDArray[np.generic]:
        if len(shape) > _MAX_RANK or not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
            raise WeightsError("an array with an invalid shape")
        kind = dtype.numpy()
        if prod(shape) * kind.itemsize != len(content):
            raise WeightsError(f"an array of {len(content)} bytes does not match its shape {shape} of {kind}")
        self._bytes_left -= len(content)
        if self._bytes_left < 0:
            raise WeightsError("the arrays of the pickle are larger than the file")
        raw = content.encode("latin-1") if isinstance(content, str) else content
        return np.frombuffer(raw, kind).reshape(shape, order=order)


def _kind(value: object) -> str:
    return {"_Array": "an array", "_Global": "a class", "_Dtype": "a type", "NoneType": "nothing"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
