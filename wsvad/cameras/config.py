"""The file of cameras: which videos are whose, and what holds for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple

from wsvad.cameras.patterns import Found, Pattern

Fold = Literal["order", "first", "second"]
"""What a local time means that the clock shows twice in the night on which it is set back. ``first``, ``second``: the
earlier or the later moment. ``order``: what the other files of the camera leave free, see ``wsvad.cameras.placing``."""
DEFAULT_BUDGET = 1.0
"""False events that a camera may give on a day."""


class Mask(NamedTuple):
    """A part of the picture that is not looked at: corners as shares of its width and height, in [0, 1]."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What holds for one camera."""

    name: str
    time_zone: str = "UTC"
    """Name in the IANA database: of the clock that file names were made with."""
    fold: Fold = "order"
    budget: float = DEFAULT_BUDGET
    """False events a day that its threshold may be calibrated to."""
    retention_days: int | None = None
    """Days for which what is derived from its videos is kept; ``None``: no limit."""
    legal_hold: bool = False
    """Nothing of it is deleted, whatever the retention."""
    purpose: str = ""
    """Why it records, shown to reviewers."""
    masks: tuple[Mask, ...] = ()
    high: float | None = None
    """Score at which an event opens; ``None``: what the command says. Likewise ``low``."""
    low: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"masks": [list(mask) for mask in self.masks]}


SETTINGS = tuple(f.name for f in fields(Camera) if f.name != "name")
"""Keys that ``[defaults]`` and a camera's table may have."""


@dataclass(frozen=True)
class Rule:
    """One table of the file that says which videos are of a camera, or of several."""

    patterns: tuple[Pattern, ...]
    name: str | None
    """``None``: the path says it, as ``{camera}``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of ``Camera`` by name, those that the table has."""


@dataclass(frozen=True)
class Cameras:
    """All cameras. Without rules (``Cameras()``), every folder is a camera whose clock nobody knows."""

    rules: tuple[Rule, ...] = ()
    """In the order of the file: the first pattern that matches decides."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of tables that have a name and no pattern, by name: they refine what a pattern found."""

    def find(self, path: str, uri_path: str = "") -> tuple[Rule, Found] | None:
        """Return the first rule that matches a video's id, or else the end of its URI's path, with what that says."""
        for matches, text in ((Pattern.match, path), (Pattern.match_end, uri_path)):
            for rule in self.rules if text else ():
                for pattern in rule.patterns:
                    found = matches(pattern, text)
                    if found is not None:
                        return rule, found
        return None

    def have(self, setting: str) -> bool:
        """Whether any table says this setting."""
        return any(setting in s for s in (self.defaults, *(r.settings for r in self.rules), *self.named.values()))

    def camera(self, name: str, rule: Rule | None = None) -> Camera:
        """Return what holds for a camera: its own table wins over that of the pattern, and that over the defaults."""
        settings = dict(self.defaults)
        for table in (rule.settings if rule else {}, self.named.get(name, {})):
            if "high" in table:
                settings.pop("low", None)  # it goes with the high that it was said with
            settings.update(table)
        return Camera(name=name, **settings)
