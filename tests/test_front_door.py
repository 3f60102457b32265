"""``import wsvad``: public names, loaded on first use."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wsvad
from wsvad.events.reading import EventSet
from wsvad.features.reading import FeatureSet
from wsvad.pipelines.inferencer import Inferencer
from wsvad.scores.reading import ScoreSet


def test_public_names_are_those_of_their_modules():
    """Each of them, also with ``from wsvad import``; all are listed."""
    names = {"EventSet": EventSet, "FeatureSet": FeatureSet, "Inferencer": Inferencer, "ScoreSet": ScoreSet}
    for name, what in names.items():
        assert getattr(wsvad, name) is what
    assert set(names) | {"__version__"} == set(wsvad.__all__)
    assert set(wsvad.__all__) <= set(dir(wsvad))
    stub = Path(wsvad.__file__).with_suffix(".pyi").read_text()
    assert set(re.findall(r" as (\w+)$", stub, re.MULTILINE)) == set(names), "type checkers know the same names"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        wsvad.Nothing  # noqa: B018


def test_importing_the_package_loads_nothing():
    """No large library, until a name is used."""
    libraries = ("numpy", "pyarrow", "torch", "ray", "fsspec")
    code = f"import json, sys, wsvad; print(json.dumps([name for name in {libraries} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
