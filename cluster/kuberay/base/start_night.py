"""Copy a suspended RayJob to one that is named by the date, and let it run: what the CronJob of nights does.

    python start_night.py --template wsvad-rescore --time-zone Europe/Berlin --keep 7 --started-by JOB

Needs the standard library alone, and a service account that may get the template, and list, create and delete RayJobs.
Exit code 0: a night was started, or this very job had started one; 1: one is still at work, or the API server refused.
A second night of a date gets the suffix -2. Nights that ended are removed but for the newest --keep; KubeRay leaves
them.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ENDED = ("Complete", "Failed", "ValidationFailed")  # KubeRay does nothing more for any of them
NIGHT, STARTED_BY = "wsvad/night", "wsvad/started-by"

Ask = Callable[..., Any]
"""``ask(method, path, body)``: of RayJobs; the path goes behind the collection's own."""


class Refused(Exception):
    """The API server's answer, for people."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def api(account: Path = ACCOUNT) -> Ask:
    """Return what asks the API server as the service account of this pod; raises ``Refused``."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    base = f"https://{f'[{host}]' if ':' in host else host}:{port}/apis/ray.io/v1/namespaces/"
    base += (account / "namespace").read_text().strip() + "/rayjobs"
    trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
    headers = {"Authorization": "Bearer " + (account / "token").read_text().strip(), "Content-Type": "application/json"}

    def ask(method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=trusted) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode(errors="replace")[:500]) from None
        except (OSError, ValueError) as error:
            raise Refused(0, str(error)) from error

    return ask


def start(ask: Ask, template: str, date: str, keep: int, started_by: str) -> str:
    """Start a night, and remove old ones; return what was done. Raises ``Refused``."""
    nights = ask("GET", "?labelSelector=" + urllib.parse.quote(f"{NIGHT}={template}"))["items"]
    for night in nights:
        name = night["metadata"]["name"]
        if started_by and night["metadata"]["labels"].get(STARTED_BY) == started_by:
            return f"{name} was started by this job before"
        state = night.get("status", {}).get("jobDeploymentStatus", "not looked at by KubeRay yet")
        if state not in ENDED:
            raise Refused(409, f"{name} has not ended ({state}); no other night is started beside it")
    made = _copy(ask("GET", f"/{template}"), template, started_by)
    name = _free_name(f"{_stem(template)}-{date}", [night["metadata"]["name"] for night in nights])
    made["metadata"]["name"] = name
    ask("POST", "", made)
    old = sorted(nights, key=lambda n: n["metadata"]["creationTimestamp"], reverse=True)[max(keep - 1, 0) :]
    for night in old:
        ask("DELETE", "/" + night["metadata"]["name"])
    return f"{name} was started" + (f"; {len(old)} old ones were removed" if old else "")


def _copy(template: dict[str, Any], name: str, started_by: str) -> dict[str, Any]:
    labels = {**template["metadata"].get("labels", {}), NIGHT: name}
    if started_by:
        labels[STARTED_BY] = started_by
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {"labels": labels},
        "spec": {**template["spec"], "suspend": False},
    }


def _stem(template: str) -> str:
    """Short: KubeRay puts a suffix of its own behind it for the cluster, and refuses more than 47 characters."""
    return f"{template.removeprefix('wsvad-')}-night"


def _free_name(stem: str, names: Sequence[str]) -> str:
    """The next one of the date: an earlier name may be free again, but its objects need not be gone yet."""
    used = [int(name.removeprefix(stem)[1:] or 1) for name in names if name.startswith(stem)]
    return f"{stem}-{max(used) + 1}" if used else stem


def main(arguments: Sequence[str] | None = None, ask: Ask | None = None) -> int:
    """Read the words, start a night, say what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", required=True, help="name of the suspended RayJob")
    parser.add_argument("--time-zone", default="UTC", help="of the date in the name")
    parser.add_argument("--keep", type=int, default=7, help="nights whose RayJobs stay, this one included")
    parser.add_argument("--started-by", default="", help="uid of the job that this is a try of; a name may come again")
    options = parser.parse_args(arguments)
    date = datetime.now(ZoneInfo(options.time_zone)).date().isoformat()
    try:
        print(start(ask or api(), options.template, date, options.keep, options.started_by))
    except (Refused, OSError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
