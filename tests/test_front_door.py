"""``import wsvad``: public names, loaded when they are used, and the verbs as functions."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsvad
from tests.extraction.videos import write_video
from tests.interface import STUB, stub
from tests.training.factories import QUICK, plant, planted_records
from wsvad.cli.main import VERBS, main
from wsvad.cli.parser import parse_or_raise
from wsvad.errors import UsageError
from wsvad.events.reading import EventSet
from wsvad.features.reading import FeatureSet
from wsvad.interface import FUNCTIONS, options_of
from wsvad.pipelines.inferencer import Inferencer
from wsvad.scores.reading import ScoreSet


def test_public_names():
    """Classes are those of their modules, functions those of the verbs; all are listed."""
    classes = {"EventSet": EventSet, "FeatureSet": FeatureSet, "Inferencer": Inferencer, "ScoreSet": ScoreSet}
    for name, what in classes.items():
        assert getattr(wsvad, name) is what
    for name in FUNCTIONS:
        assert getattr(wsvad, name) is getattr(wsvad, name)
        assert getattr(wsvad, name).__name__ == name
        assert name.replace("_", "-") in VERBS
    assert {*classes, *FUNCTIONS, "__version__"} == set(wsvad.__all__)
    assert set(wsvad.__all__) <= set(dir(wsvad))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        wsvad.Nothing  # noqa: B018


def test_stub_is_up_to_date():
    """What type checkers read is what the options say (python -m tests.interface)."""
    assert STUB.read_text(encoding="utf-8") == stub()


def test_type_checkers_find_mistakes(tmp_path: Path):
    """Mypy accepts a correct call, and refuses an unknown keyword, a wrong type and a wrong choice."""
    calls = {
        "wsvad.train('f', 'm.csv', 'ltgs', Path('out'), steps=100, set=['k=2'])": "",
        "wsvad.train('f', 'm.csv', 'ltgs', 'out', stepz=100)": 'Unexpected keyword argument "stepz"',
        "wsvad.train('f', 'm.csv', 'ltgs', 'out', steps='many')": 'incompatible type "str"; expected "int | None"',
        "wsvad.train('f', 'm.csv', 'lgts', 'out')": "incompatible type \"Literal['lgts']\"",
        "wsvad.score('f', 'c', 'o').nothing": 'has no attribute "nothing"',
    }
    program = tmp_path / "program.py"
    program.write_text("\n".join(["from pathlib import Path", "import wsvad", *calls]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--cache-dir", tmp_path, program],
        capture_output=True, text=True, check=False, cwd=STUB.parents[1],
    )  # fmt: skip
    told = {line.split(":")[1]: line for line in done.stdout.splitlines() if ": error: " in line}
    for number, (call, expected) in enumerate(calls.items(), start=3):
        line = told.get(str(number), "")
        assert bool(line) == bool(expected), (call, done.stdout)
        assert expected in line


def test_importing_the_package_loads_nothing():
    """No library of any size, before a name is used."""
    libraries = ("numpy", "pyarrow", "torch", "ray", "fsspec", "cyclopts", "rich")
    code = f"import json, sys, wsvad; print(json.dumps([name for name in {libraries} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_the_options_of_their_verbs(name: str):
    """Every option is a keyword with its help; those that are always needed come by position, in order."""
    function = getattr(wsvad, name)
    parameters = inspect.signature(function).parameters
    assert list(parameters) == list(options_of(name))
    assert tuple(parameters)[: len(FUNCTIONS[name])] == FUNCTIONS[name]
    for key, option in options_of(name).items():
        assert f"    {key}: " in function.__doc__
        assert " ".join((option.parameter.help or "").split()) in function.__doc__


@pytest.fixture
def parsed_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call a function, and return the options that reach its verb, without running the verb."""

    def options_for(name: str, *args: Any, **kwargs: Any) -> Any:
        seen: list[Any] = []

        class Module:
            @staticmethod
            def perform(options: Any, console: Any) -> None:
                seen.append(options)

        monkeypatch.setattr("wsvad.interface.module_of", lambda verb: Module)
        getattr(wsvad, name)(*args, **kwargs)
        return seen[0]

    return options_for


def test_values_arrive_as_on_the_command_line(parsed_by: Callable[..., Any], tmp_path: Path):
    """Paths, numbers, switches with and without a negative form, lists, and text that looks like an option."""
    options = parsed_by(
        "extract", tmp_path / "videos", out=str(tmp_path / "out"), id_prefix="--x", unit_s=12.5, cuboids=False,
        ray=False, dry_run=True, follow_links=False, max_pixels=100, address=None,
    )  # fmt: skip
    assert (options.videos, options.out) == (str(tmp_path / "videos"), str(tmp_path / "out"))
    assert (options.video.id_prefix, options.features.unit_s, options.features.cuboids) == ("--x", 12.5, False)
    assert (options.cluster.ray, options.dry_run, options.video.follow_links) == (False, True, False)
    assert options.video.decoder.max_pixels == 100
    assert "address" not in options.given
    assert {"id_prefix", "unit_s"} <= options.given
    trained = parsed_by("train", "f", "m.csv", "ltgs", str(tmp_path / "o"), set=["k=2", "heads=8"], lr=1e-5)
    assert trained.set == ("k=2", "heads=8")
    assert trained.training.lr == 1e-5
    warm = parsed_by("tune", "f", "m.csv", "ltgs-paper", str(tmp_path / "o"), from_="earlier", hours=0.5)
    assert (warm.from_, warm.sweep.hours) == ("earlier", 0.5)


def test_false_wins_over_an_option_file(parsed_by: Callable[..., Any], tmp_path: Path):
    """A switch that a file turns on is off where the caller says False."""
    config = tmp_path / "options.toml"
    config.write_text('dry_run = true\ncuboids = false\nclip_stride = 8\nvideos = "v"\n')
    options = parsed_by("extract", out=str(tmp_path / "o"), config=config, dry_run=False, cuboids=True)
    assert (options.dry_run, options.features.cuboids, options.features.clip_stride) == (False, True, 8)
    assert options.videos == "v"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wsvad.extract("videos"), UsageError, "missing option: --out"),
        (lambda: wsvad.extract("v", "o", clip_length=0), UsageError, "--clip-length: must be at least 1, got 0"),
        (lambda: wsvad.extract("v", "o", clip_length=True), UsageError, "--clip-length: expected text, a path or a"),
        (lambda: wsvad.extract("v", "o", clip_length=[1]), UsageError, "--clip-length: expected one value"),
        (lambda: wsvad.extract("v", "o", cuboids=0), UsageError, "--cuboids: expected True or False, got 0"),
        (lambda: wsvad.extract("v", "o", backbone="i3d-compac"), UsageError, "did you mean 'i3d-compact'"),
        (lambda: wsvad.extract("v", "memory://o"), UsageError, "--out memory:// is lost"),
        (lambda: wsvad.extract("v", "o", clips=3), TypeError, r"wsvad.extract\(\) got an unexpected keyword .*clips"),
        (lambda: wsvad.train("f", "m.csv", modle="ltgs"), TypeError, r"train\(\) .*'modle'; did you mean 'model'\?"),
        (lambda: wsvad.extract("v", "o", "p"), TypeError, r"wsvad.extract\(\) too many positional arguments"),
        (lambda: wsvad.train("f", {"a": 1}, "ltgs", "o"), UsageError, "--manifest: expected text, a path or a number"),
    ],
)
def test_wrong_calls(call: Callable[[], object], error: type[Exception], message: str):
    """Each is an exception that names the option or keyword; nothing exits, nothing is written."""
    with pytest.raises(error, match=message):
        call()


def test_words_on_the_command_line_still_exit():
    """Only the functions raise; a wrong command line ends with 2, as before."""
    with pytest.raises(SystemExit) as ended:
        main(["extract", "--no-such-option"])
    assert ended.value.code == 2
    assert parse_or_raise  # what the functions use instead


def test_functions_do_what_the_verbs_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Trained by a function or by the command: the same checkpoint; and a summary instead of printed text."""
    monkeypatch.chdir(tmp_path)
    plant(tmp_path, planted_records(), cuboids=True)
    words = ["--features", "features", "--manifest", "manifest.csv", "--model", "st_mil", "--no-ray", *QUICK]
    assert main(["train", *words, "--out", "by-command"]) == 0
    capsys.readouterr()
    keys = {word[2:].replace("-", "_"): value for word, value in zip(QUICK[::2], QUICK[1::2], strict=False)}
    summary = wsvad.train("features", "manifest.csv", "st_mil", tmp_path / "by-function", no_ray=True, **keys)
    assert capsys.readouterr().out == ""
    assert summary.exit_code == 0
    assert json.loads(summary.to_json())["steps"] == int(keys["steps"])
    one, other = (tmp_path / run / "checkpoint" / "model.safetensors" for run in ("by-command", "by-function"))
    assert one.read_bytes() == other.read_bytes()


def test_what_was_left_out_is_in_the_exit_code(tmp_path: Path):
    """A video that cannot be decoded: the function returns, and its summary says 3."""
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "good.mp4", 20)
    (tmp_path / "videos" / "bad.mp4").write_bytes(b"no video")
    assert wsvad.extract(tmp_path / "videos", tmp_path / "out", ray=False).exit_code == 3
