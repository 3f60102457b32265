"""A decode child that tries to leave its sandbox, and reports the outcome of each attempt as a refusal of the video.

``command(*missing)`` is for ``VideoReader(_child_command=...)``; ``missing`` names layers that the kernel is made to
lack. The attempts start when the child is asked to index a "video", whose bytes say what there is to attack
(``Targets``). So they run where a hostile file would run code: in the real child, after it has entered its sandbox.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAYERS = {"seccomp": {317, 277}, "landlock": {444, 445, 446}}
"""The system calls of each layer, on x86-64 and aarch64."""
PRETENDED = "pretended filter"
"""Instead of a layer: the kernel accepts the filter and does not apply it, as an emulator may."""


def command(*missing: str) -> list[str]:
    """Return the command of the child, on a kernel that lacks some of ``LAYERS``."""
    return [sys.executable, "-I", "-B", str(Path(__file__).resolve()), ",".join(missing)]


@dataclass(frozen=True)
class Targets:
    """What the attempts are aimed at."""

    secret: str
    """A file outside, such as ``~/.aws/credentials``."""
    folder: str
    """A folder that the user can write."""
    port: int
    """A TCP and a UDP port on the loopback interface."""
    unix: str
    """Path of a Unix socket."""
    parent: int


# Numbers on x86-64 and aarch64. The arguments are not valid, and the filter does not look at them.
RAW = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "execve": (59, 221),
    "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117), "socket": (41, 198),
    "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept4": (288, 242),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "mount": (165, 40), "umount2": (166, 39), "move_mount": (429, 429), "open_tree": (428, 428),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "memfd_create": (319, 279), "shmget": (29, 194),
    "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "inotify_init1": (294, 26),
    "fanotify_init": (300, 262), "stat": (4, None), "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None),
    "faccessat": (269, 48), "readlinkat": (267, 78), "getdents64": (217, 61), "unlinkat": (263, 35),
    "renameat2": (316, 276), "linkat": (265, 37), "symlinkat": (266, 36), "mkdirat": (258, 34), "chdir": (80, 49),
    "fchdir": (81, 50), "truncate": (76, 45), "ftruncate": (77, 46), "fallocate": (285, 47), "fchmodat": (268, 53),
    "fchownat": (260, 54), "setxattr": (188, 5), "ioctl": (16, 29), "sendfile": (40, 71), "splice": (275, 76),
    "setuid": (105, 146), "setgid": (106, 144), "setgroups": (116, 159), "capset": (126, 91), "personality": (135, 92),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "setpgid": (109, 154), "setsid": (112, 157), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "timer_create": (222, 107), "reboot": (169, 142), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "syslog": (103, 116), "acct": (163, 89), "swapon": (167, 224),
    "seccomp": (317, 277), "landlock_create_ruleset": (444, 444), "landlock_restrict_self": (446, 446),
    "mbind": (237, 235), "migrate_pages": (256, 238), "move_pages": (279, 239), "kcmp": (312, 272),
    "lookup_dcookie": (212, 18), "quotactl": (179, 60), "clone3": (435, 435),
}  # fmt: skip


def deeds(targets: Targets) -> dict[str, Callable[[], object]]:
    """Return harmless deeds by name that succeed without a sandbox; each raises OSError where it is denied."""

    def tcp() -> None:
        socket.socket().connect(("127.0.0.1", targets.port))

    def udp() -> None:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", targets.port))

    def unix() -> None:
        socket.socket(socket.AF_UNIX).connect(targets.unix)

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    def spawn() -> None:
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

    return {
        "read_secret": lambda: Path(targets.secret).read_bytes(),
        "open_working_folder": lambda: os.close(os.open(".", os.O_RDONLY)),
        "list_folder": lambda: os.listdir(targets.folder),
        "find_out_whether_a_file_exists": lambda: os.stat(targets.secret),
        "create_file": lambda: os.close(os.open(f"{targets.folder}/made", os.O_CREAT | os.O_WRONLY)),
        "truncate_file": lambda: os.truncate(f"{targets.folder}/kept", 0),
        "delete_file": lambda: os.unlink(f"{targets.folder}/kept"),
        "parents_environment": lambda: Path(f"/proc/{targets.parent}/environ").read_bytes(),
        "parents_memory": lambda: os.close(os.open(f"/proc/{targets.parent}/mem", os.O_RDONLY)),
        "parents_descriptors": lambda: os.listdir(f"/proc/{targets.parent}/fd"),
        "tcp": tcp,
        "udp": udp,
        "unix": unix,
        "fork": fork,
        "spawn": spawn,
        "signal_parent": lambda: os.kill(targets.parent, 0),
        "signal_group": lambda: os.kill(0, 0),
        "limits_of_parent": lambda: resource.prlimit(targets.parent, resource.RLIMIT_CORE),
        "anonymous_file": lambda: os.close(os.memfd_create("x")),
    }


def raw_calls(targets: Targets) -> dict[str, Callable[[], object]]:
    """Return system calls by name, made past the C library. Only for a child with a filter: some would do harm."""
    libc = ctypes.CDLL(None, use_errno=True)
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    new_user, thread = 0x10000000, 0x00010000

    def raw(*arguments: int) -> int:
        result = libc.syscall(*map(ctypes.c_long, arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), "")
        return int(result)

    def call(number: int) -> Callable[[], object]:
        return lambda: raw(number, -1, 0, 0, 0, 0, 0)

    return {
        "signals_of_a_descriptor": lambda: raw((72, 25)[column], 1, 8, targets.parent, 0, 0, 0),
        "become_dumpable": lambda: raw((157, 167)[column], 4, 1, 0, 0, 0, 0),
        "process_in_new_user_namespace": lambda: raw((56, 220)[column], new_user, 0, 0, 0, 0, 0),
        "thread_in_new_user_namespace": lambda: raw((56, 220)[column], new_user | thread | 0x900, 0, 0, 0, 0, 0),
        "later_kernel": lambda: raw(1000, 0, 0, 0, 0, 0, 0),
        **{name: call(number) for name, numbers in RAW.items() if (number := numbers[column]) is not None},
        **({"x32_getpid": lambda: raw(0x40000000 | 39, 0, 0, 0, 0, 0, 0)} if column == 0 else {}),
    }


def outcome(attempt: Callable[[], object]) -> str:
    """Return the name of the error that an attempt ends in; empty if it succeeds."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def thirty_two_bit_call() -> None:
    """Make a system call with the numbers of another architecture: ``mov eax, 20; int 0x80; ret``."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()


class OlderKernel:
    """The C library on a kernel without some system calls, and with some that do nothing."""

    def __init__(self, libc: ctypes.CDLL, absent: set[int], pretended: set[int]) -> None:
        self.prctl = libc.prctl
        self._libc = libc
        self._absent = absent
        self._pretended = pretended

    def syscall(self, number: Any, *arguments: Any) -> int:
        """Call the kernel, or fail as an older one does."""
        if number.value in self._absent:
            ctypes.set_errno(errno.ENOSYS)
            return -1
        if number.value in self._pretended:
            return 0
        return int(self._libc.syscall(number, *arguments))


def main() -> None:
    """Patch the kernel and the entry point of the real child, then run it."""
    sys.path.insert(0, str(ROOT))
    from wsvad.video import child, sandbox
    from wsvad.video.demux import Refused

    missing = sys.argv[1].split(",")
    absent = {number for name, numbers in LAYERS.items() if name in missing for number in numbers}
    pretended = LAYERS["seccomp"] if PRETENDED in missing else set()
    real = ctypes.CDLL
    sandbox.ctypes.CDLL = lambda *words, **keywords: OlderKernel(real(*words, **keywords), absent, pretended)
    filtered = False

    def enter() -> sandbox.Sandbox:
        nonlocal filtered
        found = sandbox.enter()
        sandbox.ctypes.CDLL = real
        filtered = found.seccomp
        return found

    def build_index(source: Any, *others: object) -> object:
        source.seek(0)
        targets = json.loads(source.read(source.size))
        if targets.pop("thirty_two_bit"):
            thirty_two_bit_call()
        found = {name: outcome(deed) for name, deed in deeds(Targets(**targets)).items()}
        if filtered:
            found |= {name: outcome(call) for name, call in raw_calls(Targets(**targets)).items()}
        raise Refused("damaged", json.dumps(found))

    child.enter, child.build_index = enter, build_index
    child.main(sys.argv[2:])


if __name__ == "__main__":
    main()
