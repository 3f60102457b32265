"""The sandbox of the decode child: what a compromised decoder can reach, layer by layer."""

from __future__ import annotations

import json
import os
import platform
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.video.escaping import PRETENDED, RAW, Targets, command
from tests.video.sources import BytesSource
from wsvad.cli.main import main
from wsvad.doctor.decoder import check_sandbox as doctor_check
from wsvad.errors import UsageError, VideoError
from wsvad.video import Limits, VideoReader, check_sandbox, process, seccomp
from wsvad.video.process import DecodeChild
from wsvad.video.sandbox import Sandbox


@pytest.fixture(scope="module")
def here() -> Sandbox:
    """What this machine offers."""
    child = DecodeChild(Limits())
    child.kill()
    return child.sandbox


@pytest.fixture
def needs_filter(here: Sandbox) -> None:
    """Skip a test where the kernel has no filters."""
    if not here.seccomp:
        pytest.skip(f"no filter of system calls here: {here.missing}")


@dataclass
class Listening:
    """What must not be reached."""

    targets: Targets
    calls: list[str]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """A home with credentials, and servers that count calls: TCP, UDP and Unix sockets."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("aws_secret_access_key = hush")
    (tmp_path / "kept").write_text("kept")
    monkeypatch.setenv("HOME", str(tmp_path))
    calls: list[str] = []
    sockets = [socket.socket(), socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)]
    sockets[0].bind(("127.0.0.1", 0))
    port = sockets[0].getsockname()[1]
    sockets[1].bind(("127.0.0.1", port))
    sockets[2].bind(str(tmp_path / "unix"))
    for listener in (sockets[0], sockets[2]):
        listener.listen()

    def serve(number: int, name: str) -> None:
        while True:
            if name == "udp":
                word = sockets[number].recv(10)
            else:
                connection, _ = sockets[number].accept()
                with connection:
                    word = connection.recv(10) or b"?"
            if word == b"stop":
                return
            calls.append(name)

    threads = [
        threading.Thread(target=serve, args=(number, name)) for number, name in enumerate(("tcp", "udp", "unix"))
    ]
    for thread in threads:
        thread.start()
    secret = str(tmp_path / ".aws" / "credentials")
    yield Listening(Targets(secret, str(tmp_path), port, str(tmp_path / "unix"), os.getpid()), calls)
    for listener in sockets:
        with socket.socket(listener.family, listener.type) as stop:
            stop.connect(listener.getsockname())
            stop.send(b"stop")
    for thread, listener in zip(threads, sockets, strict=True):
        thread.join()
        listener.close()


def tried(targets: Targets, *missing: str, thirty_two_bit: bool = False) -> dict[str, str]:
    """Return the error of each attempt of a decoder without the named layers; empty for those that succeed."""
    data = json.dumps({**asdict(targets), "thirty_two_bit": thirty_two_bit}).encode()
    with VideoReader(_child_command=command(*missing)) as reader, pytest.raises(VideoError) as error:
        reader.index(BytesSource(data), name="cam")
    assert error.value.kind == "damaged", error.value
    found: dict[str, str] = json.loads(str(error.value).removeprefix("cam: "))
    return found


def files_in(folder: str) -> dict[str, bytes]:
    """Return the content of the files directly in a folder."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


@pytest.mark.usefixtures("needs_filter")
@pytest.mark.parametrize("missing", [(), ("landlock",)], ids=["both layers", "the filter alone"])
def test_a_decoder_that_tries_reaches_nothing(outside: Listening, missing: tuple[str, ...]) -> None:
    """No file, socket, program, process or other process's memory; by the C library or past it. The filter alone denies
    all of it.
    """
    before = files_in(outside.targets.folder)
    found = tried(outside.targets, *missing)
    assert outside.calls == []
    assert files_in(outside.targets.folder) == before
    assert len(found) > 100
    later = {name: found.pop(name) for name in ("clone3", "later_kernel")}
    assert set(later.values()) == {"ENOSYS"}
    assert {name: error for name, error in found.items() if error != "EPERM"} == {}


def test_landlock_alone_denies_files_and_programs(outside: Listening, here: Sandbox) -> None:
    """As on a kernel without filters; sockets other than TCP and processes are left. TCP needs version 4, signals 6."""
    before = files_in(outside.targets.folder)
    version = here.landlock
    if not version:
        pytest.skip(f"no Landlock here: {here.missing}")
    found = tried(outside.targets, "seccomp")
    denied = {"read_secret", "open_working_folder", "list_folder", "create_file", "delete_file", "spawn"}
    denied |= {"parents_environment", "parents_memory", "parents_descriptors"}
    denied |= {"truncate_file"} if version >= 3 else set()
    denied |= {"tcp"} if version >= 4 else set()
    denied |= {"signal_parent"} if version >= 6 else set()
    assert {name: found[name] for name in denied if found[name] not in ("EACCES", "EPERM")} == {}
    assert {name for name, error in found.items() if not error} >= {"fork", "udp", "find_out_whether_a_file_exists"}
    if version >= 4:
        assert "tcp" not in outside.calls
        assert files_in(outside.targets.folder) == before


def test_without_a_sandbox_the_same_attempts_succeed(outside: Listening) -> None:
    """So the tests above can fail. Whether a parent's memory can be opened is a setting of the machine (Yama)."""
    found = tried(outside.targets, "seccomp", "landlock")
    found.pop("parents_memory")
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) > 15
    assert set(files_in(outside.targets.folder)) == {"made"}
    assert sorted(outside.calls) == ["tcp", "udp", "unix"]


@pytest.mark.usefixtures("needs_filter")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines have no second set of numbers")
def test_a_call_by_another_architectures_numbers_ends_the_decoder(outside: Listening) -> None:
    """``int 0x80`` reaches the 32-bit table, whose numbers mean other calls (SIGSEGV: the kernel has no such table)."""
    data = json.dumps({**asdict(outside.targets), "thirty_two_bit": True}).encode()
    with VideoReader(_child_command=command()) as reader, pytest.raises(VideoError, match=r"SIGSYS|SIGSEGV") as error:
        reader.index(BytesSource(data))
    assert error.value.kind == "decoder_crash"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ((), ""),
        (("seccomp",), "seccomp: Function not implemented"),
        (("landlock",), "Landlock: Function not implemented"),
        (("seccomp", "landlock"), "Landlock: Function not implemented; seccomp: Function not implemented"),
    ],
    ids=["this kernel", "without seccomp", "without Landlock", "without both"],
)
def test_an_older_kernel_confines_as_far_as_it_can_and_says_so(
    here: Sandbox, missing: tuple[str, ...], words: str
) -> None:
    """The decoder starts all the same, and doctor reports what there is; a warning without the filter."""
    expected = Sandbox("seccomp" not in missing and here.seccomp, 0 if "landlock" in missing else here.landlock)
    child = DecodeChild(Limits(), command(*missing))
    child.kill()
    assert (child.sandbox.seccomp, child.sandbox.landlock) == (expected.seccomp, expected.landlock)
    assert words in child.sandbox.missing
    check = doctor_check(command(*missing))
    assert check.status == ("ok" if expected.seccomp else "warn")
    assert bool(check.remedy) == (not expected.seccomp)
    assert words in check.summary
    assert ("filter of system calls" in check.summary, "Landlock (version" in check.summary) == (
        expected.seccomp,
        expected.landlock > 0,
    )


def test_a_filter_that_is_accepted_but_not_applied_does_not_count() -> None:
    """The child tries what must be denied, instead of trusting the kernel's answer."""
    child = DecodeChild(Limits(), command(PRETENDED, "landlock"))
    child.kill()
    assert not child.sandbox.seccomp
    assert "seccomp: accepted, but not applied" in child.sandbox.missing


@pytest.mark.parametrize("said", [None, [], {}, {"seccomp": 1, "landlock": "7"}, {"seccomp": "true", "landlock": None}])
def test_a_decoder_that_does_not_say_has_no_sandbox(said: object) -> None:
    """Only the words of this version count."""
    found = Sandbox.from_dict(said)
    assert (found.seccomp, found.landlock, found.complete) == (False, 0, False)
    assert Sandbox.from_dict(Sandbox(True, 7, "").to_dict()) == Sandbox(True, 7, "")


def test_a_required_sandbox_that_is_missing_is_a_usage_error(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any byte of a video is read; not required, the same decoder decodes."""
    required = Limits(require_sandbox=True)
    words = "cannot be confined on this machine: seccomp: Function not implemented"
    with VideoReader(required, _child_command=command("seccomp")) as reader, pytest.raises(UsageError, match=words):
        reader.index(BytesSource(video))
    monkeypatch.setattr(process, "child_command", lambda: command("seccomp", "landlock"))
    with pytest.raises(UsageError, match="cannot be confined"):
        check_sandbox(required)
    check_sandbox(Limits())


@pytest.mark.usefixtures("needs_filter")
def test_a_required_sandbox_that_there_is_changes_nothing(video: Path) -> None:
    """Also without Landlock, because the filter alone denies everything."""
    check_sandbox(Limits(require_sandbox=True))
    child = DecodeChild(Limits(require_sandbox=True), command("landlock"))
    child.kill()
    with VideoReader(Limits(require_sandbox=True)) as reader:
        assert reader.index(BytesSource(video)).num_frames == 400


@pytest.mark.parametrize(
    "words",
    [
        ["extract", "--videos", "{0}", "--out", "{0}/out"],
        ["rescore", "--archive", "{0}", "--root", "{0}/out"],
        ["evaluate", "--scores", "{0}/scores", "--manifest", "{0}/m.csv", "--out", "{0}/out"],
        ["review", "--root", "{0}/night", "--out", "{0}/out"],
    ],
    ids=lambda words: words[0],
)
def test_commands_end_before_any_work_where_a_required_sandbox_is_missing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 2; nothing is listed, read or written."""
    monkeypatch.setattr(process, "child_command", lambda: command("seccomp"))
    assert main([word.format(tmp_path) for word in words] + ["--require-sandbox"]) == 2
    assert "cannot be confined on this machine" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_store_settings_are_withheld_too(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the store and of tokens, under the names that libraries read."""
    names = "AWS_ACCESS_KEY_ID AWS_PROFILE AWS_CONFIG_FILE AWS_WEB_IDENTITY_TOKEN_FILE FSSPEC_S3_SECRET HF_TOKEN HOME"
    names += " AZURE_STORAGE_KEY GOOGLE_APPLICATION_CREDENTIALS RAY_AUTH_TOKEN WANDB_API_KEY LD_PRELOAD PYTHONPATH"
    for name in names.split():
        monkeypatch.setenv(name, "")
    assert not set(process._child_environment()) & set(names.split())


ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
PID = 4711
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


def judged(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the filter as the kernel does, on one call."""
    words = [number, audit or ARCHITECTURES[machine][1], 0, 0]
    for argument in [*arguments, *[0] * (6 - len(arguments))]:
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    steps, at, value = seccomp.program(machine, PID), 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                value = words[operand // 4]
            case 0x15:
                at += if_true if value == operand else if_false
            case 0x35:
                at += if_true if value >= operand else if_false
            case 0x54:
                value &= operand
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"unexpected instruction {code:#x}")


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_of_each_architecture(machine: str) -> None:
    """Also of the one that this machine is not: dangerous calls, and the arguments of those that are partly allowed."""
    column, _ = ARCHITECTURES[machine]
    for name, numbers in RAW.items():
        number = numbers[column]
        if number is not None and name != "clone3":
            assert judged(machine, number) == EPERM, name
    clone, fcntl, prctl, kill, tgkill, prlimit = (
        numbers[column] for numbers in ((56, 220), (72, 25), (157, 167), (62, 129), (234, 131), (302, 261))
    )
    assert judged(machine, (0, 63)[column]) == ALLOW  # read
    thread = 0x3D0F00  # as glibc starts threads
    assert judged(machine, clone, thread) == ALLOW
    for flags in (0x11, 0x01200011, 0x4111, thread | 0x10000000, thread | 0x00020000, thread | 0x80):
        assert judged(machine, clone, flags) == EPERM, hex(flags)
    assert [judged(machine, kill, pid) for pid in (PID, 1, 0, -1, -PID)] == [ALLOW] + [EPERM] * 4
    assert [judged(machine, tgkill, pid) for pid in (PID, 1)] == [ALLOW, EPERM]
    assert [judged(machine, prlimit, pid) for pid in (0, PID, 1)] == [ALLOW, ALLOW, EPERM]
    assert [judged(machine, fcntl, 3, word) for word in (0, 3, 1030, 4, 8, 10, 1031)] == [ALLOW] * 3 + [EPERM] * 4
    assert [judged(machine, prctl, word) for word in (15, 16, 1, 4, 22, 0x59616D61)] == [ALLOW] * 2 + [EPERM] * 4
    assert judged(machine, 435) == judged(machine, 463) == judged(machine, 100_000) == ENOSYS
    assert judged(machine, 0x40000000) == EPERM
    other = ARCHITECTURES["aarch64" if machine == "x86_64" else "x86_64"][1]
    assert judged(machine, (0, 63)[column], audit=other) == KILL
    assert judged(machine, 4, audit=0x40000003) == KILL


def test_an_unknown_architecture_has_no_filter() -> None:
    """Numbers are not guessed."""
    with pytest.raises(OSError, match="no filter for the architecture riscv64"):
        seccomp.program("riscv64", PID)
