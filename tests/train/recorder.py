"""What Ray Train is told, for tests to look at."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ray.train

FILE = "WSVAD_TEST_REPORTS"


class Recorder(ray.train.UserCallback):
    """Appends every report, a list with what each worker said, to the file that ``FILE`` names in the driver."""

    def __init__(self) -> None:
        self._path = Path(os.environ[FILE])

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: object) -> None:
        """Write a line of JSON."""
        assert checkpoint is None
        line = json.dumps({"run": run_context.get_run_config().name, "metrics": metrics})
        with self._path.open("a") as file:
            file.write(line + "\n")
