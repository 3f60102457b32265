"""What lies below the root and is lost or damaged: the next night makes it again, and nobody goes by it meanwhile."""

from __future__ import annotations

from tests.extract.harness import run_here
from tests.nightly.footage import CAMERAS, bright_is_anomalous
from tests.nightly.reader import digests, look
from tests.scoring.factories import write_checkpoint
from wsvad.storage import open_store


def test_what_a_night_found(night, tmp_path, caplog):
    """Damaged or gone, it is written again, once; the night is whole then."""
    night()
    for number, harm in enumerate((lambda path: path.write_bytes(b"{}"), lambda path: path.unlink()), 2):
        root = open_store(str(tmp_path / "root"))
        harm(tmp_path / "root" / look(root).night)
        caplog.clear()
        code, summary = night()
        assert (code, summary["published"], summary["clips_now"], summary["scored"]) == (0, True, 0, 3)
        assert look(root).number == number
        assert "nights/" in caplog.text
        assert night()[1]["nothing_to_do"]


def test_the_copy_of_the_cameras(night, capsys, tmp_path, caplog):
    """A purge does not go by damaged rules; the next night mends them, and they hold again."""
    (tmp_path / "cameras.toml").write_text(CAMERAS + "[[camera]]\nname = 'door'\nlegal_hold = true\n")
    night()
    (kept,) = (tmp_path / "root" / "inputs").iterdir()
    whole = kept.read_bytes()
    purge = ("purge", "--root", str(tmp_path / "root"), "--camera", "door", "--json")
    kept.write_bytes(whole.replace(b"true", b"false"))
    before = digests(tmp_path / "root")
    assert run_here(capsys, *purge, "--apply", "--force")[0] == 5
    assert "run `wsvad rescore` again" in caplog.text
    assert digests(tmp_path / "root") == before
    assert night()[0] == 0
    assert kept.read_bytes() == whole
    assert night()[1]["nothing_to_do"]
    code, summary = run_here(capsys, *purge)
    assert (code, summary["videos"], summary["held"]) == (0, 0, 1)


def test_a_night_after_a_promotion_tells_of_the_new_champion(night, capsys, tmp_path):
    """Its events, and what became of those that readers were shown before; then there is nothing to do."""
    blind = bright_is_anomalous(-5.0)
    folder = write_checkpoint(tmp_path / "blind", blind)
    assert night("--candidate", folder)[1]["events"] == 3
    assert run_here(capsys, "promote", "--root", str(tmp_path / "root"), "--model", blind.digest, "--json")[0] == 0
    code, summary = night("--checkpoint", folder)
    assert (code, summary["champion"], summary["events"]) == (0, blind.digest, 0)
    assert (summary["changes"], summary["scored_now"]) == ({"gone": 3, "kept": 0}, 0)
    code, summary = night("--checkpoint", folder)
    assert (summary["nothing_to_do"], summary["events"]) == (True, 0)
