"""``wsvad rescore --review``: the page of a night, written by the same command."""

from __future__ import annotations

from tests.review.conftest import document
from wsvad.nightly.published import require_current
from wsvad.storage import open_store


def test_night_writes_its_page(night, tmp_path):
    """One JSON object; the page shows this night; without new footage nothing is written."""
    page = ("--review", str(tmp_path / "page"), "--review-top", "2")
    code, summary = night(*page)
    assert (code, summary["review"]["shown"], summary["review"]["left_out"]) == (0, 2, summary["events"] - 2)
    shown = document(tmp_path / "page")
    assert shown["source"]["night"] == require_current(open_store(str(tmp_path / "root"))).number == 1
    assert len(shown["events"]) == 2
    code, summary = night(*page)
    assert (code, summary["nothing_to_do"], summary["review"]["written"]) == (0, True, 0)
    code, summary = night(*page, "--dry-run")
    assert (code, "review" in summary) == (0, False)


def test_invalid_folder_is_refused_before_the_night(night, tmp_path, caplog):
    """Below the root of the nightly job, or in a data set."""
    assert night("--review", str(tmp_path / "root" / "page"))[0] == 2
    assert "is below --root" in caplog.text
    assert not (tmp_path / "root").exists()


def test_failed_page_does_not_hide_the_night(night, tmp_path, capsys):
    """The night is published and reported; the exit code is that of the page."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").mkdir()  # so that the page cannot be written
    code, summary = night("--review", str(tmp_path / "page"))
    assert code == 4
    assert summary["published"]
