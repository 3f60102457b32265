"""Command lines made at random: options of ours or a refusal, never a traceback."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsvad.cli.main import VERBS
from wsvad.cli.parser import Parsed, arguments_of, build, parse
from wsvad.errors import WsvadError

APP = build(VERBS, VERBS)
KNOWN = sorted({name for verb in VERBS for argument in arguments_of(verb) for name in argument.names})
VALUES = st.one_of(
    st.sampled_from(
        ["", "-", "--", "=", "x", "1", "-1", "0", "1e999", "nan", "-inf", "9" * 5000, "[]", '["a"]', "{}", '{"a": 1}',
         "null", "None", "true", "no", "@file", "%s", "a,b", "\udcff\udcfe", "\0", "é日本", "2GiB", "train", "--help"]
    ),
    st.text(max_size=5),
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(KNOWN),
    st.builds("{}={}".format, st.sampled_from(KNOWN), VALUES),
    st.builds("{}.{}".format, st.sampled_from(KNOWN), st.sampled_from(["a", "workers", "0"])),
    st.builds(lambda name, at: name[:at] + name[at + 1 :], st.sampled_from(KNOWN), st.integers(2, 9)),
    VALUES,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(VERBS)), st.lists(WORDS, max_size=6))
def test_words_become_options_or_are_refused(verb: str, words: list[str]) -> None:
    """Exit code 2 with two short lines on standard error; or help; or options."""
    out, err, code = io.StringIO(), io.StringIO(), None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert isinstance(parse(APP, [verb, *words]), Parsed)
    except SystemExit as ended:
        code = ended.code
    except WsvadError as refused:
        code = refused.exit_code
        err.write(f"usage: wsvad {verb} \nwsvad {verb}: error: {refused}")
    assert code in (None, 0, 2)
    if code == 2:
        usage, error = err.getvalue().splitlines()
        assert usage.startswith(f"usage: wsvad {verb} ")
        assert error.startswith(f"wsvad {verb}: error: ")
        error.encode()


HOPELESS = (["\udcff"], ["\0"], ["--\udcff=x"], ["ex\ntract"], ["", "extract"], ["--", "extract"])


@pytest.mark.parametrize("words", HOPELESS)
def test_words_that_are_no_verb_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In a line that any terminal shows."""
    with pytest.raises(SystemExit) as ended:
        parse(APP, words)
    assert ended.value.code == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: wsvad ")
    assert error.isascii()
