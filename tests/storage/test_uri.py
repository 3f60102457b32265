"""Validation and normalisation of URIs and keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.errors import UsageError
from wsvad.storage import StoreOptions, key_problem, normalize_uri, open_object, open_store


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("/data/videos", "file:///data/videos"),
        ("/data//videos/../clips/", "file:///data/clips"),
        ("//data", "file:///data"),
        ("/", "file:///"),
        ("file:///data/my%20clips", "file:///data/my%20clips"),
        ("file://localhost/data", "file:///data"),
        ("/data/my clips/100%#?.mp4", "file:///data/my%20clips/100%25%23%3F.mp4"),
        ("FILE:///data", "file:///data"),
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket/a/b//", "s3://bucket/a/b//"),
        ("s3://bucket/a//b/", "s3://bucket/a//b"),
        ("s3://bucket//", "s3://bucket//"),
        ("s3://bucket//a", "s3://bucket//a"),
        ("s3://bucket/a b%20c", "s3://bucket/a b%20c"),
    ],
)
def test_canonical_uris(uri: str, canonical: str) -> None:
    """Every spelling of a root has one canonical form, which is stable."""
    assert normalize_uri(uri) == canonical
    assert normalize_uri(canonical) == canonical


def test_plain_paths_are_relative_to_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Relative paths and ``~`` are resolved as in a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert normalize_uri("./s3:/b") == f"file://{tmp_path}/s3:/b"
    assert normalize_uri("a/b") == normalize_uri("~/a/b") == f"file://{tmp_path}/a/b"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("", "empty string"),
        ("a\0b", "NUL"),
        ("file:///a%00b", "no usable path"),
        ("file://", "no usable path"),
        ("s3://", "without a bucket"),
        ("s3:///key", "without a bucket"),
        ("s3://a/key", "not a bucket name"),
        ("s3://bad bucket/key", "not a bucket name"),
        ("s3://bucket/a/../b", r"'\.\.' segment"),
        ("s3://bucket/a//../b", r"'\.\.' segment"),
        ("s3://bucket/.tmp", "reserved"),
        ("https://host/x.mp4", "unknown scheme 'https'"),
        ("ftps://bucket/x", "unknown scheme 'ftps'"),
        ("file://server/share", "host 'server'"),
        ("s3:/bucket/key", "one slash is not a URI; use s3://"),
        ("GS:/bucket/key", "one slash is not a URI"),
        ("file:/folder", "one slash is not a URI"),
    ],
)
def test_invalid_roots_are_refused(uri: str, problem: str) -> None:
    """The message states the reason."""
    with pytest.raises(UsageError, match=problem):
        open_store(uri)


@pytest.mark.parametrize("uri", ["/", "s3://bucket", "s3://bucket/", "s3://bucket/folder/", "/data/folder/"])
def test_a_folder_is_not_an_object(uri: str) -> None:
    """A bucket, a root or a URI with a trailing slash cannot name an object."""
    with pytest.raises(UsageError, match="one object"):
        open_object(uri)


@pytest.mark.parametrize("root", ["s3://bucket", "s3://bucket//", "s3://bucket/a", "s3://bucket/a//", "s3://bucket//a"])
@pytest.mark.parametrize("key", ["k", "/k", "//k", "b//k", "/b//k"])
def test_s3_keys_are_literal(root: str, key: str) -> None:
    """Slashes are kept: a root prepends its prefix to the key, and the URI opens the same object."""
    store = open_store(root)
    uri = store.uri_of(key)
    assert uri == f"{root.rstrip('/') if root.count('//') == 1 else root}{'' if root[5:].endswith('//') else '/'}{key}"
    single, name = open_object(uri)
    assert single.uri_of(name) == uri
    again = open_store(single.uri)
    assert (again.uri, again.uri_of(name)) == (single.uri, uri)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4).map("/".join))
def test_any_valid_key_round_trips_through_its_uri(key: str) -> None:
    """The URI of any valid key opens that key and is canonical."""
    if key_problem(key) is not None:
        with pytest.raises(UsageError):
            open_store("/data").stat(key)
        return
    for root in ("/data", "s3://bucket/prefix"):
        uri = open_store(root).uri_of(key)
        single, name = open_object(uri)
        assert normalize_uri(uri) == uri
        assert single.uri_of(name) == uri
        assert name == key.rpartition("/")[2]


def test_bytes_that_are_not_utf8_survive() -> None:
    """A local name in another encoding round-trips through its URI."""
    name = os.fsdecode(b"caf\xe9.mp4")
    assert open_store("/data").uri_of(name) == "file:///data/caf%E9.mp4"
    assert open_object("file:///data/caf%E9.mp4")[1] == name


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"read_timeout_s": 0}, "read_timeout_s"),
        ({"min_bytes_per_s": -1}, "min_bytes_per_s"),
        ({"endpoint_url": "localhost:9000"}, "endpoint"),
        ({"endpoint_url": "http://[::1"}, "endpoint"),
        ({"endpoint_url": "http://host/?token=x"}, "endpoint"),
    ],
)
def test_options_state_their_bounds(options: dict[str, Any], problem: str) -> None:
    """An invalid option is refused when it is set."""
    with pytest.raises(UsageError, match=problem):
        StoreOptions(**options)
