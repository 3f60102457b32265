"""Record the reports to Ray Train for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wsvad.loop.ray_train import _MetricExporter


class Recorder(_MetricExporter):
    """Appends every report, a list with one entry per worker, to a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: object) -> None:
        """Write a line of JSON."""
        super().after_report(run_context, metrics, checkpoint)
        assert checkpoint is None
        line = json.dumps({"run": run_context.get_run_config().name, "metrics": metrics})
        with self._path.open("a") as file:
            file.write(line + "\n")
