"""The cameras file: which videos belong to which camera, and the settings of each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple

from wsvad.cameras.patterns import PathFields, Pattern

Fold = Literal["order", "first", "second"]
"""Meaning of a local time that occurs twice because the clock was set back. ``first``, ``second``: the earlier or the
later UTC time. ``order``: decided by the other files of the camera, see ``wsvad.cameras.placing``."""
DEFAULT_BUDGET = 1.0
"""Default budget of false events per day."""


class Mask(NamedTuple):
    """A part of the frame that is ignored: corners as fractions of its width and height, in [0, 1]."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Settings of one camera."""

    name: str
    time_zone: str = "UTC"
    """IANA name of the time zone of the camera's file names."""
    fold: Fold = "order"
    budget: float = DEFAULT_BUDGET
    """False events per day to which its threshold is calibrated."""
    retention_days: int | None = None
    """Days for which data derived from its videos is kept; ``None``: no limit."""
    legal_hold: bool = False
    """If true, none of its data is deleted, regardless of retention."""
    purpose: str = ""
    """Purpose of the recording, shown to reviewers."""
    masks: tuple[Mask, ...] = ()
    high: float | None = None
    """Score at which an event opens; ``None``: the setting of the command."""
    low: float | None = None
    """Score below which an event closes; ``None``: the setting of the command."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self) | {"masks": [list(mask) for mask in self.masks]}


SETTINGS = tuple(f.name for f in fields(Camera) if f.name != "name")
"""Keys allowed in ``[defaults]`` and in the table of a camera."""


@dataclass(frozen=True)
class Rule:
    """One table of the file that assigns videos to one or more cameras."""

    patterns: tuple[Pattern, ...]
    name: str | None
    """``None``: the name is taken from ``{camera}`` in the path."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of ``Camera`` fields that the table sets."""


@dataclass(frozen=True)
class Cameras:
    """All cameras. Without rules (``Cameras()``), every folder is a camera without recording times."""

    rules: tuple[Rule, ...] = ()
    """In the order of the file; the first matching pattern is used."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of tables with a name but no pattern, by name; they refine cameras found by a pattern."""

    def find(self, path: str, uri_path: str = "") -> tuple[Rule, PathFields] | None:
        """Return the first rule that matches a video id, or else the end of its URI's path, with the parsed fields."""
        for matches, text in ((Pattern.match, path), (Pattern.match_end, uri_path)):
            for rule in self.rules if text else ():
                for pattern in rule.patterns:
                    found = matches(pattern, text)
                    if found is not None:
                        return rule, found
        return None

    def sets(self, setting: str) -> bool:
        """Return whether any table sets this setting."""
        tables = (self.defaults, *(r.settings for r in self.rules), *self.named.values())
        return any(setting in table for table in tables)

    def camera(self, name: str, rule: Rule | None = None) -> Camera:
        """Return the settings of a camera: its own table overrides the pattern's, which overrides the defaults."""
        settings = dict(self.defaults)
        for table in (rule.settings if rule else {}, self.named.get(name, {})):
            if "high" in table:
                settings.pop("low", None)  # low belongs to the high of the same table
            settings.update(table)
        return Camera(name=name, **settings)
