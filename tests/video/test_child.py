"""The decode child: its environment, its limits, and the meaning of its exit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.video.conftest import Corpus
from tests.video.corpus import sabotaged
from tests.video.misbehaving import COMMAND, ROOT
from tests.video.sources import BytesSource
from wsvad.clips import ClipSpec
from wsvad.errors import ClusterError, VideoError
from wsvad.video import ISOLATION_KINDS, Geometry, Limits, VideoReader
from wsvad.video.process import DecodeChild

LIMITS = Limits(stall_s=30, cpu_base_s=1.0, cpu_per_footage_s=0.001, cpu_per_gib_s=0.001, address_space=600 << 20)


def run(reader: VideoReader, source: BytesSource) -> int:
    """Index and decode; return the number of clips."""
    index = reader.index(source, name="cam")
    clips = 0
    for clip in reader.clips(source, index, 0, 25, ClipSpec(), Geometry(size=32), name="cam"):
        clips += 1
        clip.release()
    return clips


@pytest.mark.parametrize("when", ["index", "clips"])
@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        ("segfault", "decoder_crash"),
        ("abort", "decoder_crash"),
        ("exit", "decoder_crash"),
        ("chatter", "decoder_crash"),
        ("kill", "decoder_killed"),
        ("hang", "decoder_hang"),
        ("hang_with_lock", "decoder_hang"),
        ("eat_memory", "decoder_memory"),
        ("burn", "decoder_cpu"),
        ("raise", "decoder_error"),
    ],
)
def test_every_child_failure_has_a_kind_and_the_next_video_decodes(
    video: Path, deed: str, kind: str, when: str
) -> None:
    """Real crashes, hangs and allocations; the reader starts a new child and continues."""
    data = video.read_bytes()
    limits = replace(LIMITS, stall_s=2.0) if kind == "decoder_hang" else LIMITS
    with VideoReader(limits, _child_command=COMMAND) as reader:
        with pytest.raises(VideoError, match=r"^cam: ") as error:
            run(reader, BytesSource(sabotaged(data, deed, "index" if when == "index" else "clips")))
        assert error.value.kind == kind
        assert kind in ISOLATION_KINDS
        assert run(reader, BytesSource(data)) == 25


def test_child_environment_holds_only_allowed_variables(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the parent are not passed on."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("SOME_TOKEN", "hush")
    with VideoReader() as reader:
        reader.index(BytesSource(video))
        assert reader._child is not None
        environment = Path(f"/proc/{reader._child.pid}/environ").read_bytes()
    names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
    allowed = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ"}
    assert names <= allowed | {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"}
    assert b"hush" not in environment


def test_child_has_its_limits_and_no_files_of_the_parent(video: Path, tmp_path: Path) -> None:
    """As reported by the kernel; a file that the parent holds open is not open in the child."""
    with (tmp_path / "secret").open("w") as secret, VideoReader() as reader:
        reader.index(BytesSource(video))
        assert reader._child is not None
        process = Path(f"/proc/{reader._child.pid}")
        limits = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        opened = [os.readlink(entry) for entry in (process / "fd").iterdir()]
        assert str(tmp_path / "secret") not in opened
        assert secret.writable()
    assert limits["Max address space"] == [str(3 << 30)] * 2
    assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["16", "16"]
    assert 60 <= int(limits["Max cpu time"][0]) < 120
    assert all(name.startswith(("/dev/null", "socket:", "pipe:")) for name in opened)


def test_child_starts_fast_without_heavy_imports() -> None:
    """No torch, Ray or pyarrow in the child; one second is generous for a busy machine (0.2 s when idle)."""
    start = time.monotonic()
    child = DecodeChild(Limits())
    took = time.monotonic() - start
    maps = Path(f"/proc/{child.pid}/maps").read_text()
    child.kill()
    assert took < 5
    for heavy in ("torch", "/ray/", "pyarrow"):
        assert heavy not in maps


def test_lack_of_memory_is_never_reported_as_damage(corpus: Corpus) -> None:
    """FFmpeg reports a failed allocation as invalid data.

    With any memory limit, a large valid picture is either decoded or reported as ``decoder_memory``.
    """
    source, kinds = BytesSource(corpus.folder / "huge_picture.mp4"), []
    for megabytes in range(200, 440, 40):
        with VideoReader(Limits(address_space=megabytes << 20, max_pixels=1 << 27)) as reader:
            try:
                index = reader.index(source)
                for clip in reader.clips(source, index, 0, 1, ClipSpec(), Geometry(size=32)):
                    clip.release()
                kinds.append("decoded")
            except ClusterError:
                assert not kinds
            except VideoError as error:
                kinds.append(error.kind)
    assert set(kinds) == {"decoder_memory", "decoded"}
    assert kinds == sorted(kinds, key=["decoder_memory", "decoded"].index)


ELSEWHERE = """
import sys
sys.path[:0] = [sys.argv[1]]
from wsvad.video import VideoReader
class Source:
    data = open(sys.argv[2], "rb").read()
    size = len(data)
    def read_at(self, offset, length):
        return self.data[offset : offset + length]
with VideoReader() as reader:
    print(reader.index(Source()).version)
"""


def test_child_imports_the_package_from_where_the_parent_did(video: Path, tmp_path: Path) -> None:
    """As in a Ray working directory: a copy that is only on the parent's ``sys.path``.

    Parent and child of different versions would reject each other's messages.
    """
    shutil.copytree(ROOT / "wsvad", tmp_path / "wsvad")
    contract = tmp_path / "wsvad" / "video" / "contract.py"
    contract.write_text(contract.read_text().replace("INDEX_VERSION = 2\n", "INDEX_VERSION = 4711\n"))
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path), str(video)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.stdout == "4711\n", done.stderr


def test_a_child_that_cannot_start_is_no_evidence_against_the_video(video: Path) -> None:
    """ClusterError instead of VideoError, so no quarantine; the message contains the child's stderr."""
    broken = [sys.executable, "-c", "raise SystemExit('no module named av')"]
    with VideoReader(_child_command=broken) as reader, pytest.raises(ClusterError, match="no module named av"):
        reader.index(BytesSource(video))
    with VideoReader(_child_command=["/nowhere/python"]) as reader, pytest.raises(ClusterError, match="cannot start"):
        reader.index(BytesSource(video))


ORPHAN = """
import os, signal, sys
sys.path[:0] = [sys.argv[1]]
from tests.video.misbehaving import COMMAND
from tests.video.sources import BytesSource
from wsvad.video import Limits, VideoReader
import threading
reader = VideoReader(Limits(stall_s=600), _child_command=COMMAND)
def work():
    reader.index(BytesSource(open(sys.argv[2], "rb").read()))
if sys.argv[3] == "busy":
    reader._ready_child()
    print(reader._child.pid, flush=True)
    threading.Thread(target=work, daemon=True).start()
    signal.sigtimedwait([], 0.5)
else:
    work()
    print(reader._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_child_exits_when_its_parent_is_killed(video: Path, tmp_path: Path, state: str) -> None:
    """A hanging child too, when the parent is killed and cannot clean up."""
    path = video
    if state == "busy":
        path = tmp_path / "hangs.mp4"
        path.write_bytes(sabotaged(video.read_bytes(), "hang", "index"))
    parent = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(ROOT), str(path), state], capture_output=True, text=True, timeout=60
    )
    pid = int(parent.stdout)
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Return True while a process runs; False for a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
