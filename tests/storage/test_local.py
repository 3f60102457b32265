"""Local folders: links, special files, non-UTF-8 names, permissions, a full disk, killed writers."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreFull, StoreUnavailable, UnusablePlace
from wsvad.storage import Store, StoreOptions, open_object, open_store
from wsvad.storage.local_errors import translate_os_error

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one regular file, next to one outside of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.mp4").write_bytes(b"secret")
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/real.mp4").write_bytes(b"real")
    return folder


def keys(store: Store, prefix: str = "") -> list[str]:
    """Return the keys of a listing."""
    return [info.key for info in store.list(prefix)]


def test_links_inside_the_root_are_read(root: Path) -> None:
    """A link to a file inside is listed and read; a linked folder is not listed twice, but can be read by name."""
    (root / "alias.mp4").symlink_to("sub/real.mp4")
    (root / "latest").symlink_to("sub")
    store = open_store(str(root))
    assert keys(store) == ["alias.mp4", "sub/real.mp4"]
    assert store.read("alias.mp4") == store.read("latest/real.mp4") == b"real"
    assert keys(store, "latest/") == ["latest/real.mp4"]


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    """A data set behind one link is a regular root, also for writing."""
    (tmp_path / "link").symlink_to(root)
    store = open_store(str(tmp_path / "link"))
    store.create("new", b"x")
    assert keys(store) == ["new", "sub/real.mp4"]


def test_objects_of_the_root_folder_have_valid_uris() -> None:
    """``/x.csv`` is ``file:///x.csv``, which opens it."""
    store, key = open_object("/x.csv")
    assert store.uri_of(key) == "file:///x.csv"
    assert open_object(store.uri_of(key))[1] == key


def test_links_never_lead_outside_the_root(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Links to the outside are skipped with one warning; nothing is read, written or deleted through them."""
    (root / "file.mp4").symlink_to(root.parent / "outside/secret.mp4")
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "up").symlink_to("../outside")
    store = open_store(str(root))
    with caplog.at_level(logging.WARNING):
        assert keys(store) == ["sub/real.mp4"]
    assert [record.message[:21] for record in caplog.records] == ["3 links below file://"]
    assert keys(store, "folder/") == []
    for key in ("file.mp4", "folder/secret.mp4", "up/secret.mp4"):
        with pytest.raises(AccessDenied, match="leads outside"):
            store.read(key)
        with pytest.raises(AccessDenied, match="leads outside"):
            store.read_range(key, 0, 1)
    for key in ("folder/new", "up/deep/new"):
        with pytest.raises(AccessDenied, match="leads outside"):
            store.create(key, b"x")
        with pytest.raises(AccessDenied, match="leads outside"):
            store.replace(key, b"x")
    with pytest.raises(AccessDenied, match="leads outside"):
        store.delete("folder/secret.mp4")
    store.replace("file.mp4", b"mine")
    assert os.listdir(root.parent / "outside") == ["secret.mp4"]
    assert (root.parent / "outside/secret.mp4").read_bytes() == b"secret"


def test_links_outside_are_followed_on_request(root: Path) -> None:
    """With ``follow_links`` a folder of links works, each target folder once; nothing is written outside."""
    (root / "a").symlink_to(root.parent / "outside")
    (root / "b").symlink_to(root.parent / "outside")
    (root / "c.mp4").symlink_to(root.parent / "outside/secret.mp4")
    (root.parent / "outside/back").symlink_to(root)
    store = open_store(str(root), StoreOptions(follow_links=True))
    assert keys(store) == ["a/secret.mp4", "c.mp4", "sub/real.mp4"]
    assert store.read("a/secret.mp4") == store.read("c.mp4") == b"secret"
    with pytest.raises(AccessDenied, match="leads outside"):
        store.create("a/new", b"x")


def test_a_file_opened_by_name_is_read_through_its_link(root: Path) -> None:
    """Wherever the link leads."""
    (root / "named.mp4").symlink_to(root.parent / "outside/secret.mp4")
    store, key = open_object(str(root / "named.mp4"))
    assert store.read(key) == b"secret"


@pytest.mark.parametrize("follow_links", [False, True])
def test_circular_and_dangling_links_are_skipped(root: Path, follow_links: bool) -> None:
    """They neither hang nor fail a listing; reading one raises."""
    (root / "self").symlink_to("self")
    (root / "sub/up").symlink_to("..")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    (root / "gone.mp4").symlink_to("nowhere.mp4")
    store = open_store(str(root), StoreOptions(follow_links=follow_links))
    assert keys(store) == ["sub/real.mp4"]
    with pytest.raises(ObjectNotFound):
        store.read("gone.mp4")
    with pytest.raises(StorageError, match="circular"):
        store.read("self")
    with pytest.raises(StorageError, match="in its place"):
        store.create("gone.mp4", b"x")


def test_only_regular_files_are_objects(root: Path) -> None:
    """FIFOs, sockets, devices and folders are not listed, and reading one raises immediately instead of blocking."""
    os.mkfifo(root / "fifo.mp4")
    (root / "device.mp4").symlink_to("/dev/zero")
    (root / "linked-fifo.mp4").symlink_to("fifo.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket.mp4"))
        store = open_store(str(root), StoreOptions(follow_links=True))
        assert keys(store) == ["sub/real.mp4"]
        for key in ("fifo.mp4", "linked-fifo.mp4", "device.mp4", "socket.mp4", "sub"):
            for read in (store.stat, store.read, lambda key: store.read_range(key, 0, 9)):
                with pytest.raises(ObjectNotFound, match="not a regular file"):
                    read(key)


def test_names_in_any_encoding_are_listed_and_read(root: Path) -> None:
    """Names that are not UTF-8 or have control characters are listed, read by key and opened by URI."""
    for raw in (b"caf\xe9.mp4", b"new\nline\x1b[31m.mp4"):
        (root / os.fsdecode(raw)).write_bytes(raw)
    store = open_store(str(root))
    assert keys(store) == [os.fsdecode(b"caf\xe9.mp4"), "new\nline\x1b[31m.mp4", "sub/real.mp4"]
    for key in keys(store)[:2]:
        assert store.read(key) == os.fsencode(key)
        single, name = open_object(store.uri_of(key))
        assert single.read(name) == os.fsencode(key)
        store.delete(key)
        with pytest.raises(ObjectNotFound) as caught:
            store.read(key)
        assert str(caught.value).isprintable()


def test_a_deep_tree_is_listed(root: Path) -> None:
    """Deeper than Python's recursion limit."""
    depth = 1500
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("deep.mp4", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    try:
        assert keys(open_store(str(root))) == ["d/" * depth + "deep.mp4", "sub/real.mp4"]
    finally:
        # pytest would delete it recursively, and fail
        subprocess.run(["rm", "-rf", str(root / "d")], check=True)


def test_a_root_that_is_a_file_is_an_error(root: Path) -> None:
    """Listing and writing below a file raise."""
    store = open_store(str(root / "sub/real.mp4"))
    with pytest.raises(StorageError, match="not a folder"):
        keys(store)
    with pytest.raises(StorageError, match="a file instead of a folder"):
        store.create("k", b"x")


def test_a_folder_is_not_an_object(root: Path) -> None:
    """It cannot be overwritten or deleted as one."""
    store = open_store(str(root))
    with pytest.raises(StorageError, match="in its place"):
        store.create("sub", b"x")
    with pytest.raises(StorageError, match="it is a folder"):
        store.replace("sub", b"x")
    with pytest.raises(StorageError, match="it is a folder"):
        store.delete("sub")
    assert keys(store) == ["sub/real.mp4"]


def test_a_name_too_long_is_an_error(root: Path) -> None:
    """The file system's limit is reported."""
    store = open_store(str(root))
    for act in (store.read, lambda key: store.create(key, b"")):
        with pytest.raises(StorageError, match="longer than the file system allows"):
            act("x" * 300)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EACCES, AccessDenied, "check the permissions"),
        (errno.EROFS, AccessDenied, "Read-only file system"),
        (errno.ENOSPC, StoreFull, "No space left on device; nothing partial was left"),
        (errno.EDQUOT, StoreFull, "free space"),
        (errno.ESTALE, StoreUnavailable, "run the same command again"),
        (errno.EIO, StoreUnavailable, "check the disk"),
        (errno.EMFILE, StorageError, "ulimit"),
        (errno.EXDEV, UnusablePlace, "two file systems"),
    ],
)
def test_system_errors_have_remedies(number: int, kind: type[StorageError], words: str) -> None:
    """Each class of OSError is translated to one error of this package."""
    error = translate_os_error(OSError(number, os.strerror(number)), "cannot write file:///x")
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("cannot write file:///x: ")


def run_child(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in its own process, which may change its user and limits."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can access, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_unreadable_entries_raise_access_denied(public_folder: Path) -> None:
    """An unreadable folder fails the listing, an unreadable file its read, a read-only folder a write."""
    (public_folder / "closed").mkdir()
    (public_folder / "closed/video.mp4").write_bytes(b"x")
    (public_folder / "file.mp4").write_bytes(b"x")
    (public_folder / "file.mp4").chmod(0)
    (public_folder / "closed").chmod(0)
    try:
        done = run_child(
            """
import os, sys
from wsvad.errors import AccessDenied
from wsvad.storage import open_store
import wsvad.storage.local
store = open_store(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
else:
    os.chmod(sys.argv[1], 0o555)
for act in (lambda: list(store.list()), lambda: store.read("file.mp4"), lambda: store.create("k", b""), store.probe):
    try:
        act()
    except AccessDenied as exc:
        print(exc)
""",
            str(public_folder),
        )
    finally:
        public_folder.chmod(0o755)
        (public_folder / "closed").chmod(0o755)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split(" file://")[0] for line in lines] == [
        "cannot list",
        "cannot read",
        "cannot create",
        "cannot create",
    ]
    assert all("Permission denied; check the permissions" in line for line in lines)


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    """A write that exceeds the limit halfway is a StorageError; neither object nor leftover exists."""
    done = run_child(
        """
import resource, sys
from wsvad.errors import StorageError
from wsvad.storage import open_store
store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (store.create, store.replace):
    try:
        write("big", b"x" * 1_000_000)
    except StorageError as exc:
        print(exc)
print(len(list(store.list())), store.sweep_temporary(-60), store.create("small", b"x").name)
""",
        str(tmp_path),
    )
    assert done.stderr == ""
    first, second, rest = done.stdout.splitlines()
    assert first.startswith("cannot create file://")
    assert second.startswith("cannot write file://")
    assert all("File too large; nothing partial was left" in line for line in (first, second))
    assert rest == "0 0 NEW"


WRITER = """
import hashlib, itertools, sys
from wsvad.storage import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    key = f"{sys.argv[2]}/{number:06}"
    store.create(key, hashlib.sha256(key.encode()).digest() * 100_000)
    store.replace(f"{sys.argv[2]}/newest", hashlib.sha256(b"newest").digest() * 100_000)
"""


def test_killed_writers_leave_no_partial_object(tmp_path: Path) -> None:
    """After 25 SIGKILLs at random times every visible object is intact; leftovers are in scratch space."""
    store = open_store(str(tmp_path))
    moments = random.Random(5)
    for round_number in range(25):
        command = [sys.executable, "-c", WRITER, str(tmp_path), f"round-{round_number}"]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0, 0.08))
            writer.send_signal(signal.SIGKILL)
        for info in store.list(f"round-{round_number}/"):
            seed = b"newest" if info.key.endswith("newest") else info.key.encode()
            assert store.read(info.key) == hashlib.sha256(seed).digest() * 100_000
            store.delete(info.key)
    assert store.sweep_temporary(-60) > 0, "no writer was killed while writing, so the test proves nothing"
    assert list(store.list()) == []
