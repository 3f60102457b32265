"""Summary of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wsvad.errors import EXIT_OK
from wsvad.features.config_text import config_phrase
from wsvad.metrics.event_definitions import POINT_DEFINITIONS
from wsvad.notebook import NotebookView
from wsvad.report.svg import number


def describe_point(events: Mapping[str, Any]) -> str:
    """Return the operating point of the event metrics and its origin as text."""
    point = events["point"]
    if point["high"] is None:
        return str(point["statement"])
    return f"open at {point['high']:.4g}, close below {point['low']:.4g} ({point['statement']})"


@dataclass(frozen=True)
class EvaluateSummary(NotebookView):
    """The report and its URIs."""

    document: dict[str, Any]
    json_uri: str
    html_uri: str

    @property
    def exit_code(self) -> int:
        """Always 0; failures raise an exception."""
        return EXIT_OK

    def to_json(self) -> str:
        """Return the metrics as JSON, without the tables of videos and curves, which are in the report."""
        kept = ("title", "split", "identity", "warnings", "features", "videos", "metrics")
        shown = {k: self.document[k] for k in kept}
        shown["events"] = {k: v for k, v in self.document["events"].items() if k != "curve"}
        return json.dumps(shown | {"report": self.json_uri, "page": self.html_uri}, indent=1)

    def show(self, console: Console) -> None:
        """Print the metrics and the URIs of the report."""
        table = Table(box=None, pad_edge=False)
        for name, side in (("metric", "left"), ("value", "right"), ("interval", "right"), ("", "left")):
            table.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
        events = self.document["events"]
        hidden = POINT_DEFINITIONS if events["point"]["high"] is None else ()
        shown = {name: metric for name, metric in events["figures"].items() if name not in hidden}
        for name, metric in (self.document["metrics"] | shown).items():
            spread = metric["interval"]
            interval = f"{number(spread[0])} - {number(spread[1])}" if spread else ""
            table.add_row(name, number(metric["value"]), interval, escape(metric["reason"] or ""))
        console.print(table)
        console.print(f"events  {escape(describe_point(events))}", soft_wrap=True, highlight=False)
        for note in events["notes"]:
            console.print(f"[bold yellow]note[/]  {escape(note)}")
        for warning in self.document["warnings"]:
            console.print(f"[bold yellow]note[/]  {escape(warning)}")
        console.print(f"features  {escape(config_phrase(self.document['features']))}", soft_wrap=True, highlight=False)
        console.print(f"report  {escape(self.json_uri)}\npage    {escape(self.html_uri)}", soft_wrap=True)
