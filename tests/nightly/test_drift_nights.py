"""Drift computed by ``wsvad rescore``: stored results, metrics, and the effect of a purge."""

from __future__ import annotations

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from tests.extraction.harness import run_here
from tests.metrics.test_picture_similarity import scene
from tests.nightly.footage import write_scene
from tests.nightly.reader import digests
from tests.nightly.test_purge import content_id, mentions
from wsvad.nightly.published import require_current
from wsvad.nightly.references import reference_key
from wsvad.storage import open_store


def test_drift_and_purge(night, archive, tmp_path, capsys, monkeypatch):
    """Both cameras have a reference; one turns bright and is reported; a purge removes its reference and metrics."""
    monkeypatch.setattr("wsvad.nightly.drift.REFERENCE_DAYS", 1)
    monkeypatch.setattr("wsvad.nightly.drift.NEWEST_HOURS", 1)
    for name in (
        "wsvad.nightly.drift.REFERENCE_CLIPS",
        "wsvad.nightly.drift.NEWEST_CLIPS",
        "wsvad.metrics.drift.HOUR_CLIPS",
    ):
        monkeypatch.setattr(name, 10)
    root, textfile = tmp_path / "root", ("--textfile", str(tmp_path / "wsvad.prom"))
    store = open_store(str(root))
    for camera in ("door", "yard"):  # one camera of the first night has no more footage
        write_scene(archive / camera / "20260302_120000.mp4", 20, (2, 6))
    code, first = night(*textfile)
    assert (code, [c["judged"] for c in first["drift"]]) == (0, [False, False, False])
    assert not list(store.list("reference/"))

    yard = "yard/20260303_120001.mp4"
    write_scene(archive / "door" / "20260303_120000.mp4", 20, (2, 6))
    write_scene(archive / yard, 20, (0, 20))
    code, second = night(*textfile)
    assert code == 0
    by_camera = {c["camera"]: c for c in second["drift"]}
    assert {name: c["drifted"] for name, c in by_camera.items()} == {"door": False, "front": False, "yard": True}
    champion = require_current(store).champion
    keys = {camera: reference_key(champion, camera, "utc") for camera in ("door", "yard")}
    assert {info.key for info in store.list("reference/")} == set(keys.values())
    report = require_current(store).report(store)["drift"]
    assert [c["camera"] for c in report["cameras"]] == ["door", "front", "yard"]
    families = text_string_to_metric_families((tmp_path / "wsvad.prom").read_text())
    samples = {(s.name, s.labels.get("camera")): s.value for f in families for s in f.samples}
    assert samples["wsvad_rescore_camera_drifted", "yard"] == 1
    assert samples["wsvad_rescore_camera_psi", "door"] == by_camera["door"]["psi"] == 0
    assert ("wsvad_rescore_camera_psi", "front") not in samples

    before = digests(root)
    code, again = night(*textfile)
    assert (code, again["nothing_to_do"], again["drift"]) == (0, True, second["drift"])
    assert digests(root) == before

    # one video of a camera: the rest is evaluated again, and nothing names the video
    content = content_id(root, yard)
    words = ("purge", "--root", str(root), "--apply", "--force", "--json")
    assert run_here(capsys, *words, "--video", yard)[0] == 0
    assert mentions(root, yard, content) == []
    left = {c["camera"]: c for c in require_current(store).report(store)["drift"]["cameras"]}
    assert left["door"] == report["cameras"][0], "what has not changed is as it was"
    assert not left["yard"]["scores"]["drifted"]
    assert {info.key for info in store.list("reference/")} == set(keys.values())

    # all its videos: the reference and all metrics are removed too
    assert run_here(capsys, *words, "--camera", "yard")[0] == 0
    assert {info.key for info in store.list("reference/")} == {keys["door"]}
    assert [c["camera"] for c in require_current(store).report(store)["drift"]["cameras"]] == ["door", "front"]
    code, after = night(*textfile)
    assert (code, [c["camera"] for c in after["drift"]]) == (0, ["door", "front"])
    assert mentions(root, yard, content, keys["yard"]) == []


def test_moved_camera_is_reported(night, archive, tmp_path, capsys):
    """From pixels to summary and metrics; a purge of the first day also deletes the pictures of its videos."""
    root, textfile = tmp_path / "root", ("--textfile", str(tmp_path / "wsvad.prom"))
    store = open_store(str(root))
    for hour in range(7):
        write_scene(archive / "yard" / f"20260310_{hour:02d}0001.mp4", 4 + hour, picture=scene_of(1))
        write_scene(archive / "door" / f"20260310_{hour:02d}0000.mp4", 4, picture=scene_of(2))
    assert night(*textfile)[0] == 0
    for hour in range(12, 16):
        write_scene(archive / "yard" / f"20260311_{hour:02d}0000.mp4", 4, picture=scene_of(3 if hour > 12 else 1))
        write_scene(archive / "door" / f"20260311_{hour:02d}0000.mp4", 4, picture=scene_of(2))
    code, found = night(*textfile)
    assert code == 0
    by_camera = {c["camera"]: c for c in found["drift"]}
    assert {name: c["moved"] for name, c in by_camera.items()} == {"door": False, "front": None, "yard": True}
    assert by_camera["yard"]["view_changed_utc"] == "2026-03-11T13:00:00.000+00:00"
    families = text_string_to_metric_families((tmp_path / "wsvad.prom").read_text())
    samples = {(s.name, s.labels.get("camera")): s.value for f in families for s in f.samples}
    assert (samples["wsvad_rescore_camera_moved", "yard"], samples["wsvad_rescore_camera_moved", "door"]) == (1, 0)
    assert ("wsvad_rescore_camera_moved", "front") not in samples

    features = require_current(store).shown.features.prefix
    pictures = len(list(store.list(f"{features}/pictures/")))
    old = "yard/20260310_030001.mp4"
    content = content_id(root, old)
    assert run_here(capsys, "purge", "--root", str(root), "--apply", "--force", "--json", "--video", old)[0] == 0
    assert mentions(root, old, content) == []
    assert len(list(store.list(f"{features}/pictures/"))) == pictures - 1
    assert len(list(store.list("reference/pictures/"))) == 1  # of the other camera


def scene_of(seed):
    """Return a random scene of rectangles, 64x64 pixels, RGB."""
    return np.repeat(np.kron(scene(seed), np.ones((2, 2), np.uint8))[..., None], 3, axis=2)
