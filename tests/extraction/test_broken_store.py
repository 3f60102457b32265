"""A store that stays unavailable ends the run soon, with exit code 4; failures of single objects do not."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.extraction.harness import QUICK, run_here
from tests.extraction.videos import write_video
from tests.services.fault_proxy import Fault, Rule
from wsvad.extraction.worker import UnitExtractor
from wsvad.storage import StoreOptions, open_store

pytestmark = pytest.mark.usefixtures("in_process")
VIDEOS = 8


@pytest.fixture
def bucket(s3_bucket, moto_server, tmp_path):
    """A bucket with eight videos below ``in/``, one unit each."""
    store = open_store(f"s3://{s3_bucket}/in", StoreOptions(endpoint_url=moto_server.url))
    for number in range(VIDEOS):
        write_video(tmp_path / "v.mp4", 8 + number)
        store.create(f"v{number}.mp4", (tmp_path / "v.mp4").read_bytes())
    return s3_bucket


@pytest.fixture
def extractions(monkeypatch):
    """Count how often each unit is decoded."""
    counts = Counter()
    extract = UnitExtractor._extract

    def counted(self, unit):
        counts[unit.unit_id] += 1
        return extract(self, unit)

    monkeypatch.setattr(UnitExtractor, "_extract", counted)
    return counts


def _extract(capsys, bucket, url):
    words = ("--videos", f"s3://{bucket}/in", "--out", f"s3://{bucket}/out", "--s3-endpoint-url", url)
    started = time.monotonic()
    code, summary = run_here(capsys, "extract", *words, *QUICK)
    return code, summary, time.monotonic() - started


@pytest.mark.parametrize(
    ("fault", "method", "path", "done"),
    [
        (Fault.DENY, None, "", 2),  # the permission is taken away
        (Fault.DENY, "PUT", "", 2),  # only that to write
        (Fault.EXPIRE, None, "", 2),  # the credentials expire
        (Fault.FULL, "PUT", "units/", 2),  # no room for units, though for smaller things
        (Fault.RESET, None, "", 2),  # the store is gone
        (Fault.SLOW_DOWN, "PUT", "", 2),  # it takes no more writes
        (Fault.DENY, "GET", "/in/", 2),  # the videos' store, while the target works
        (Fault.SLOW_DOWN, "GET", "/in/", 2),
    ],
)
def test_a_store_outage_ends_the_run(fault, method, path, done, bucket, moto_server, fault_proxy, extractions, capsys):
    """Within a minute, with exit code 4, no unit decoded more than once; the same command resumes after the outage."""
    broken = []

    def break_it(self, unit):
        receipt = real(self, unit)
        if receipt.status == "done" and len(broken) < done:
            broken.append(unit.unit_id)
            if len(broken) == done:
                fault_proxy.add(Rule(fault, method=method, path=path, times=None))
        return receipt

    real = UnitExtractor.extract
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UnitExtractor, "extract", break_it)
        code, summary, seconds = _extract(capsys, bucket, fault_proxy.url)
    assert (code, summary) == (4, {})
    assert seconds < 60
    assert fault_proxy.injected[fault] > 0
    assert len(extractions) < VIDEOS
    assert set(extractions.values()) == {1}
    fault_proxy.clear()
    code, summary, _ = _extract(capsys, bucket, fault_proxy.url)
    assert (code, summary["units_done_before"], summary["videos_complete"]) == (0, done, VIDEOS)


def test_an_outage_of_the_video_store_ends_the_indexing(bucket, fault_proxy, capsys):
    """Listed, but nothing can be read: the run does not wait for every video."""
    for fault in (Fault.DENY, Fault.RESET):
        fault_proxy.add(Rule(fault, method="GET", path="/in/", times=None))
        code, summary, seconds = _extract(capsys, bucket, fault_proxy.url)
        assert (code, summary) == (4, {})
        assert seconds < 60
        fault_proxy.clear()
    code, summary, _ = _extract(capsys, bucket, fault_proxy.url)
    assert (code, summary["videos_complete"], summary["quarantined"]) == (0, VIDEOS, 0)


@pytest.mark.parametrize("fault", [Fault.DENY, Fault.SLOW_DOWN])
def test_single_videos_that_cannot_be_read_do_not_end_the_run(fault, bucket, fault_proxy, extractions, capsys):
    """Three denied videos in a row are three failures; they are not retried."""
    _extract(capsys, bucket, fault_proxy.url)  # the index stays, so that the units are what fails
    extractions.clear()
    store = open_store(f"s3://{bucket}/out", StoreOptions(endpoint_url=fault_proxy.url))
    for info in list(store.list("units/")) + list(store.list("snapshots/")):
        store.delete(info.key)
    for number in (5, 6, 7):  # the longest come first
        fault_proxy.add(Rule(fault, method="GET", path=f"/in/v{number}.mp4", times=None))
    words = ("--videos", f"s3://{bucket}/in", "--out", f"s3://{bucket}/out", "--s3-endpoint-url", fault_proxy.url)
    code, summary = run_here(capsys, "extract", *words, *QUICK, "--s3-attempts", "2")
    assert (code, summary["videos_complete"], summary["quarantined"]) == (4, VIDEOS - 3, 0)
    tries = 1 if fault is Fault.DENY else 2
    assert sorted(extractions.values()) == [1] * (VIDEOS - 3) + [tries] * 3
