"""The command line: refused input, and exit codes."""

import subprocess
import sys

import pytest

from tests.extraction.harness import REPO
from wsvad import __version__, errors
from wsvad.cli import extract, main
from wsvad.cli.main import VERBS
from wsvad.cli.parser import build, module_of, parse
from wsvad.options import size_bytes
from wsvad.signals import Terminated


def _cli(*words):
    return subprocess.run(
        [sys.executable, "-m", "wsvad", *words], cwd=REPO, capture_output=True, text=True, check=False
    )


def test_help_and_version():
    """Every command is listed; no heavy module is imported."""
    shown = _cli("--help")
    assert shown.returncode == 0
    assert all(verb in shown.stdout for verb in VERBS)
    assert _cli("--version").stdout.strip() == f"wsvad {__version__}"


@pytest.mark.parametrize(
    "words", [(), ("fly",), ("extract", "--colour"), ("extract", "--vid", "x"), ("extract", "--workers", "0")]
)
def test_unknown_commands_and_options_exit_with_2(words, capsys):
    """No abbreviations, no unknown words, no impossible numbers."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    assert "usage: wsvad" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ManifestError("x"), 2),
        (errors.WeightsError("x"), 2),
        (errors.VideoError("empty", "x"), 3),
        (errors.StoreUnavailable("x"), 4),
        (errors.ClusterError("x"), 4),
        (errors.ConflictError("x"), 5),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
    ],
)
def test_exit_codes(raised, code, monkeypatch, capsys):
    """The exception tree and the exit codes of the README agree; a user's error is one line, no traceback."""

    def run(args):
        raise raised

    monkeypatch.setattr(extract, "run", run)
    assert main(["extract"]) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_bugs_keep_their_traceback(monkeypatch):
    """An exception that is not a user's error keeps its traceback."""

    def run(args):
        raise ZeroDivisionError

    monkeypatch.setattr(extract, "run", run)
    with pytest.raises(ZeroDivisionError):
        main(["extract"])


@pytest.mark.parametrize(("text", "size"), [("5", 5), ("2KiB", 2048), ("1.5GiB", 3 << 29)])
def test_sizes_can_have_units(text, size):
    """Bytes, or KiB, MiB, GiB."""
    assert size_bytes(text) == size


def _parse(*words):
    return parse(build(VERBS, words[:1]), words).options


def test_option_file_is_read(tmp_path):
    """Keys with - or _, switches, text and numbers; the command line takes precedence."""
    path = tmp_path / "o.toml"
    path.write_text('videos = "a b"\nclip_length = 8\ncuboids = false\njson = true\nverbose = false\nworkers = 3\n')
    options = _parse("extract", "--workers", "2", "--config", str(path))
    assert (options.videos, options.json, options.verbose, options.out) == ("a b", True, False, None)
    assert (options.features.clip_length, options.features.cuboids, options.cluster.pool.workers) == (8, False, 2)
    assert options.given == {"videos", "clip_length", "cuboids", "json", "verbose", "workers", "config"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "unknown key 'x'"),
        ("videos = []", "'videos' must be text or a number, got []"),
        ("json = 1", "'json' must be true or false, got 1"),
        ("weights = false", "'weights' must be text or a number, got False"),
        ("a = ", "Invalid value"),
        ("clip_length = 0", "'clip_length' must be at least 1, got 0"),
        ("clip-length = 99999", "'clip-length' must be at most 65536, got 99999"),
        ("unit_s = nan", "'unit_s' must be above 0 and finite, got nan"),
        ("geometry = 'squish'", "'geometry' invalid choice: 'squish'"),
        ("flow = 'none'", "'flow' invalid choice: 'none'"),
        ("given = 1", "unknown key 'given'"),
        ("config = 'x'", "unknown key 'config'"),
        ("dry_run = true\ndry-run = false", "'dry_run' and 'dry-run' are the same option"),
        ("ray = true\nno-ray = true", "'ray' and 'no-ray' are the same option"),
        ("no-json = true", "unknown key 'no-json'"),
    ],
)
def test_invalid_option_file_is_reported(text, message, tmp_path, caplog):
    """One line with the file and the key, exit code 2; also for values checked by the option itself."""
    path = tmp_path / "o.toml"
    path.write_text(text)
    assert main(["extract", "--config", str(path)]) == 2
    (record,) = caplog.records
    assert record.getMessage().startswith(f"--config {path}: ")
    assert message in record.getMessage()


def test_command_line_values_follow_those_of_the_file(tmp_path):
    """For repeatable options, so that the last of contradicting values counts."""
    path = tmp_path / "o.toml"
    path.write_text('set = ["k=1", "heads=2"]\n')
    assert _parse("train", "--config", str(path), "--set", "k=3").set == ("k=1", "heads=2", "k=3")
    path.write_text('set = "k=1"\n')
    assert _parse("train", "--set=k=3", "--config", str(path)).set == ("k=1", "k=3")


@pytest.mark.parametrize("verb", VERBS)
def test_omitted_options_have_their_defaults(verb):
    """A command without options gets the default dataclass, and no option counts as given."""
    words = {"manifest": ("join",), "weights": ("list",), "completion": ("bash",)}.get(verb, ())
    options = _parse(verb, *words)
    assert options == module_of(verb).Options()
    assert options.given == frozenset()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--clip-length",), "argument --clip-length: expected a value"),
        (("--clip-length", "--json"), "argument --clip-length: expected a value"),
        (("--no-json",), "unrecognized arguments: --no-json; did you mean '--json'?"),
        (("--Videos", "x"), "unrecognized arguments: --Videos; did you mean '--videos'?"),
        (("--features.clip-length", "8"), "unrecognized arguments: --features.clip-length"),
        (("--given", "x"), "unrecognized arguments: --given"),
        (("--retry-budget-s", "3"), "unrecognized arguments: --retry-budget-s"),
        (("--", "x"), "unrecognized arguments: x"),
        (("stray", "words"), "unrecognized arguments: stray words"),
        (("-x",), "unrecognized arguments: -x"),
        (("--geometry=",), "argument --geometry: invalid choice: '' (choose from 'squash', 'center', 'ten-crop')"),
        (("--cuboids=maybe",), "argument --cuboids: must be true or false, got 'maybe'"),
        (("--ray=none",), "argument --ray: must be true or false"),
        (("--flow", "none"), "argument --flow: invalid choice: 'none' (choose from 'tvl1', 'dis')"),
        (
            ("--flow", "TVL1"),
            "argument --flow: invalid choice: 'TVL1' (choose from 'tvl1', 'dis'); did you mean 'tvl1'?",
        ),
        (("--vid\udcff",), "unrecognized arguments: --vid"),
    ],
)
def test_unparsable_arguments_are_reported_in_one_line(words, message, capsys):
    """After the usage, which is also one line."""
    with pytest.raises(SystemExit) as ended:
        main(["extract", *words])
    assert ended.value.code == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: wsvad extract")
    assert error.startswith(f"wsvad extract: error: {message}")


@pytest.mark.parametrize("words", [("--workers=2", "--workers", "3"), ("--workers", "3"), ("--workers=3",)])
def test_the_last_of_several_values_counts(words):
    """As in shell scripts that put a default first."""
    assert _parse("extract", *words).cluster.pool.workers == 3


@pytest.mark.parametrize(
    "text", ["none", "null", "true", "[1]", "{}", " x ", "", "@file", "~", "a=b", "--json", "é\udcff"]
)
def test_text_is_not_interpreted(text):
    """Including text that a parsing library could interpret."""
    options = _parse("extract", f"--videos={text}", f"--id-prefix={text}", f"--address={text}")
    assert (options.videos, options.video.id_prefix, options.cluster.address) == (text, text, text)
    assert _parse("train", f"--set={text}").set == (text,)


def test_three_state_switches(tmp_path):
    """Yes, no, and and not given; also in a file."""
    (tmp_path / "o.toml").write_text("ray = false\n")
    assert _parse("extract", "--config", str(tmp_path / "o.toml")).cluster.ray is False
    assert _parse("extract", "--ray", "--config", str(tmp_path / "o.toml")).cluster.ray is True
    (tmp_path / "o.toml").write_text("no-ray = true\nno_cuboids = false\n")
    options = _parse("extract", "--config", str(tmp_path / "o.toml"))
    assert (options.cluster.ray, options.features.cuboids) == (False, True)
    assert _parse("extract", "--ray", "--config", str(tmp_path / "o.toml")).cluster.ray is True
    assert [_parse("extract", *words).cluster.ray for words in ((), ("--ray",), ("--ray", "--no-ray"))] == [
        None, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--workers", "many"), "must be a whole number, got 'many'"),
        (("--cpus-per-worker", "half"), "must be a number, got 'half'"),
        (("--gpus-per-worker", "-1"), "must be at least 0 and finite, got -1"),
        (("--memory-per-worker", "lots"), "must be a number, got 'lots'"),
    ],
)
def test_invalid_numbers_are_reported_in_plain_words(words, message, capsys):
    """The message does not reveal how values are parsed."""
    with pytest.raises(SystemExit):
        main(["extract", *words])
    assert f"argument {words[0]}: {message}" in capsys.readouterr().err


def test_help_shows_useful_defaults(capsys):
    """``(default: 5)`` is shown; ``(default: None)`` and ``(default: False)`` are not."""
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "number of runs per row (default: 5)" in shown
    assert not [noise for noise in ("None)", "False)", "[])", "default: )") if noise in shown]
