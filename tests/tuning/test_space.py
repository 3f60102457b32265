"""Search spaces: configurations, grids, and invalid spaces."""

from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.errors import UsageError
from wsvad.tuning.space import Parameter, Space, parse_space, read_space

TEXT = """
model = "ltgs"
set = { label_period = 10 }
training = { steps = 40 }

[search]
k = [2, 3, 4]
dynamic_labels = [true, false]
label_alpha = { low = 0.5, high = 0.99, when = { dynamic_labels = true } }
sparsity_weight = { low = 1e-5, high = 1e-2, log = true }
pairs = { low = 4, high = 16, whole = true }
lr = { choices = [1e-4, 1e-3] }
"""


@pytest.fixture(scope="module")
def space() -> Space:
    """A space with choices, ranges and a condition."""
    found = parse_space(tomllib.loads(TEXT))
    found.check()
    return found


def test_configuration_of_a_point(space):
    """Settings and training options are separate; a parameter whose condition fails is left out."""
    low = space.configuration([0.0] * 6)
    assert low.settings == {"k": 2, "dynamic_labels": True, "label_alpha": 0.5, "sparsity_weight": 1e-5}
    assert low.training == {"pairs": 4, "lr": 1e-4}
    high = space.configuration([math.nextafter(1.0, 0.0)] * 6)
    assert high.settings == {"k": 4, "dynamic_labels": False, "sparsity_weight": 0.01}
    assert high.training == {"pairs": 16, "lr": 1e-3}
    assert space.configuration([0.5] * 6).settings["sparsity_weight"] == pytest.approx(10**-3.5, rel=1e-3)


@given(place=st.floats(0, 1, exclude_max=True), log=st.booleans(), whole=st.booleans())
def test_values_are_in_the_range(place, log, whole):
    """Including the ends, and integers if requested."""
    value = Parameter("x", "setting", (), 3, 17, log, whole).at(place)
    assert 3 <= value <= 17
    assert not whole or isinstance(value, int)


def test_integers_are_uniform():
    """The ends are as likely as the others."""
    p = Parameter("x", "setting", (), 2, 5, whole=True)
    found = [p.at(n / 4000) for n in range(4000)]
    assert {value: found.count(value) for value in set(found)} == {2: 1000, 3: 1000, 4: 1000, 5: 1000}


def test_grid_has_every_combination_once(space):
    """Combinations that differ only in inactive parameters occur once."""
    grid = list(space.grid(3))
    assert len({tuple(c.values.items()) for c in grid}) == len(grid)
    assert len(grid) == 3 * (3 + 1) * 3 * 3 * 2
    assert space.grid_size(3) == 3 * 2 * 3 * 3 * 3 * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'ltgss'\n[search]\nk = [1]", "model must be one of .* did you mean 'ltgs'"),
        ("model = 'ltgs'\npreset = 'gate'\n[search]\nk = [1]", "did you mean 'gated'"),
        ("model = 'ltgs'\nserch = 1\n[search]\nk = [1]", "unknown key 'serch'; did you mean 'search'"),
        ("model = 'ltgs'", r"expected \[search\]"),
        ("model = 'ltgs'\n[search]\nkk = [1]", "'kk' is neither a setting of model ltgs"),
        ("model = 'ltgs'\n[search]\nseed = [1]", "'seed' is neither a setting of model ltgs"),
        ("model = 'ltgs'\n[search]\nk = []", "at least one value"),
        ("model = 'ltgs'\n[search]\nk = [2, 2]", "duplicate choice"),
        ("model = 'ltgs'\n[search]\nk = 3", "expected a list of choices or a table"),
        ("model = 'ltgs'\n[search]\nk = { low = 2 }", "low and high must be numbers"),
        ("model = 'ltgs'\n[search]\nk = { low = 4, high = 4 }", "low must be below high"),
        ("model = 'ltgs'\n[search]\nlr = { low = 0, high = 1, log = true }", "must be above 0"),
        ("model = 'ltgs'\n[search]\nk = { low = 2.5, high = 4, whole = true }", "must be integers"),
        ("model = 'ltgs'\n[search]\nk = { low = 2, high = 4, lg = true }", "unknown key 'lg'; did you mean 'log'"),
        ("model = 'ltgs'\n[search]\nk = { low = 2, high = 4 }", "parameter 'k' = 2.0: .*k must be a value of type int"),
        ("model = 'ltgs'\n[search]\nlabel_alpha = { low = 0.5, high = 1.5 }", r"'label_alpha' = 1.5: .*\[0, 1\]"),
        ("model = 'ltgs'\n[search]\nlr = [0.1, -1.0]", "'lr' = -1.0: lr must be above 0"),
        ("model = 'ltgs'\n[search]\ndecay = ['additive', 'slow']", "'decay' = 'slow': .*decay must be one of"),
        ("model = 'ltgs'\nset = { k = 3 }\n[search]\nk = [2]", "varied, so it cannot be set for all"),
        ("model = 'ltgs'\nset = { kk = 3 }\n[search]\nk = [2]", "options of all configurations: .*kk"),
        ("model = 'ltgs'\n[search]\nk = { choices = [2], when = { heads = 4 } }", "not a parameter before it"),
        (
            "model = 'ltgs'\n[search]\nlr = { low = 0.1, high = 0.2 }\nk = { choices = [2], when = { lr = 0.1 } }",
            "a range",
        ),
        ("model = 'ltgs'\n[search]\nheads = [4]\nk = { choices = [2], when = { heads = 5 } }", "not among its choices"),
        ("model = ", "space.toml: "),
    ],
)
def test_invalid_spaces(text, message, tmp_path):
    """Refused before any work; the message names the file and the problem."""
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_space(str(tmp_path / "space.toml"))


def test_missing_space_file(tmp_path):
    """The error names the missing file."""
    with pytest.raises(UsageError, match="does not exist"):
        read_space(str(tmp_path / "space.toml"))
