"""The thresholds of each camera in a night, and where each comes from; for the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wsvad.cameras.config import Camera
from wsvad.cameras.placing import RecordedVideo, cameras_of, place_all
from wsvad.events.config import EventSettings
from wsvad.events.thresholds import Thresholds, load_thresholds
from wsvad.nightly.night import Night


def operating_points(night: Night, champion: str, cameras: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return ``high``, ``low`` and ``source`` of each camera for the champion's events.

    As in ``wsvad.events.job``: the cameras file takes precedence over calibrated thresholds, these over the options.
    """
    settings = night.options.settings
    loaded = (load_thresholds(uri, night.options.store)[0] for uri in night.options.thresholds)
    calibrated = next((thresholds for thresholds in loaded if thresholds.checkpoint == champion), None)
    of_file: Mapping[str, Camera] = {}
    if night.cameras.sets("high"):  # only then, as placing a large archive takes seconds
        videos = [RecordedVideo(video.video_id, video.uri) for video in night.listing.videos]
        of_file = cameras_of(place_all(videos, night.cameras))
    return {name: _point(of_file.get(name, Camera(name=name)), calibrated, settings) for name in cameras}


def _point(camera: Camera, calibrated: Thresholds | None, settings: EventSettings) -> dict[str, Any]:
    if camera.high is not None:
        settings, source = EventSettings(high=camera.high, low=camera.low), "cameras file"
    elif calibrated is not None:
        own = camera.name in calibrated.calibration.cameras
        settings, source = calibrated.settings_of(camera.name), "calibrated" if own else "calibrated, all cameras"
    else:
        source = "default" if settings.high == EventSettings().high else "--high"
    return {"high": settings.high, "low": settings.low_level, "source": source}
