"""Write ``wsvad/__init__.pyi`` from the options of the verbs: ``python -m tests.interface``."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

from wsvad import _HOMES
from wsvad.cli.main import VERBS
from wsvad.cli.parser import module_of
from wsvad.interface import FUNCTIONS, options_of, type_of

STUB = Path(__file__).resolve().parents[1] / "wsvad" / "__init__.pyi"
_HEAD = """# Made by `python -m tests.interface` from the dataclasses that declare the options of the verbs.
# Type checkers and editors read it in place of __init__.py, which loads these names when they are used.
# None stands for an option's default.
"""


def stub() -> str:
    """Return the text of the stub, formatted."""
    imports = {"from collections.abc import Sequence", "from os import PathLike", "from typing import Literal"}
    imports |= {f"from {home} import {name} as {name}" for name, home in _HOMES.items()}
    functions = []
    for name, positional in sorted(FUNCTIONS.items()):
        module = module_of(name.replace("_", "-"))
        returned = inspect.signature(module.perform).return_annotation
        for summary in returned.split(" | "):
            imports.add(f"from {_home(module, summary)} import {summary} as {summary}")
        keywords = [f"{key}: {type_of(option)} = None" for key, option in options_of(name).items()]
        words = [*keywords[: len(positional)], "*", *keywords[len(positional) :]]
        about = VERBS[name.replace("_", "-")]
        functions.append(f'def {name}({", ".join(words)},) -> {returned}:\n    """{about}"""\n')
    parts = [_HEAD, "\n".join(sorted(imports)), "__version__: str", *functions]
    return _formatted("\n\n".join(parts))


def _home(module: object, name: str) -> str:
    """Return the module that a summary's class is imported from, or is defined in."""
    source = Path(inspect.getfile(module)).read_text(encoding="utf-8")  # type: ignore[arg-type]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return str(node.module)
    assert re.search(rf"^class {name}\b", source, re.MULTILINE), name
    return str(module.__name__)  # type: ignore[attr-defined]


def _formatted(text: str) -> str:
    for words in (["check", "--select", "I", "--fix", "-q"], ["format", "-q"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(STUB), "-"],
            input=text, capture_output=True, text=True, check=True,
        )  # fmt: skip
        text = done.stdout
    return text


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
