"""Write ``requirements-hashed.txt`` from a report of pip: ``python -m tests.hashes REPORT``.

The report is that of ``pip install --dry-run --ignore-installed --report REPORT -c constraints.txt '.[dev]'`` in a new
virtual environment.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

FILE = Path(__file__).resolve().parents[1] / "requirements-hashed.txt"
HEAD = """\
# The versions of constraints.txt and of what the default (CUDA) build of torch needs, with the SHA-256 of each file,
# for {platform}: `pip install --require-hashes -r requirements-hashed.txt`.
# Made by `python -m tests.hashes`, as constraints.txt is made again.
"""


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return a line for each file of a report, sorted by name; without its address, so that any index will do."""
    found = {}
    for item in report["install"]:
        name, version = canonicalize_name(item["metadata"]["name"]), Version(item["metadata"]["version"]).public
        if name != "wsvad":
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            found[name] = f"{name}=={version} --hash=sha256:{digest}"
    return [found[name] for name in sorted(found)]


def main(path: str) -> None:
    """Write the file."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    python = ".".join(platform.python_version_tuple()[:2])
    where = f"Python {python} on {platform.system()} {platform.machine().replace('_', '-')}"
    FILE.write_text(HEAD.format(platform=where) + "\n".join(lines_of(report)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
