"""Lost or damaged objects below the root: the next night restores them, and until then they are not used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.extraction.harness import run_here
from tests.nightly.footage import CAMERAS, FEATURES, bright_is_anomalous, write_scene
from tests.nightly.reader import digests, look
from tests.scoring.factories import make_checkpoint, write_checkpoint
from wsvad.dataset.layout import snapshot_key
from wsvad.dataset.snapshots import read_snapshot
from wsvad.nightly import job
from wsvad.nightly.events import make_events
from wsvad.storage import open_store


def test_damaged_report_is_rewritten(night, tmp_path, caplog):
    """A damaged or missing report is written again, once; then the night is complete."""
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


def test_damaged_cameras_copy(night, capsys, tmp_path, caplog):
    """A purge refuses a damaged cameras copy; the next night restores it, and its rules apply again."""
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


def test_night_after_promotion_reports_the_new_champion(night, capsys, tmp_path):
    """It reports the champion's events and the changes to those published before; then nothing is left to do."""
    blind = bright_is_anomalous(-5.0)
    folder = write_checkpoint(tmp_path / "blind", blind)
    assert night("--candidate", folder)[1]["events"] == 3
    assert run_here(capsys, "promote", "--root", str(tmp_path / "root"), "--model", blind.digest, "--json")[0] == 0
    code, summary = night("--checkpoint", folder)
    assert (code, summary["champion"], summary["events"]) == (0, blind.digest, 0)
    assert (summary["changes"], summary["scored_now"]) == ({"gone": 3, "kept": 0}, 0)
    code, summary = night("--checkpoint", folder)
    assert (summary["nothing_to_do"], summary["events"]) == (True, 0)


def test_previous_champion_with_a_lost_night(night, archive, capsys, tmp_path, caplog):
    """A deleted pointer is skipped; for a damaged one the error says what to do."""
    blind = bright_is_anomalous(-5.0)
    first = night("--candidate", write_checkpoint(tmp_path / "blind", blind))[1]["champion"]
    promote = ("promote", "--root", str(tmp_path / "root"), "--json")
    assert run_here(capsys, *promote, "--model", blind.digest)[0] == 0
    write_scene(archive / "yard" / "20260301_130000.mp4", 3)
    fixed = ("--checkpoint", str(tmp_path / "blind"))
    assert night(*fixed)[1]["pointer"] == "current/00000003.json"
    (archive / "yard" / "20260301_130000.mp4").unlink()
    assert night(*fixed)[1]["pointer"] == "current/00000004.json"
    between = tmp_path / "root" / "current" / "00000003.json"
    between.write_bytes(b"{}")
    assert run_here(capsys, *promote, "--back")[0] == 5
    assert first.removeprefix("sha256:")[:12] in caplog.text
    between.unlink()
    code, summary = run_here(capsys, *promote, "--back")
    assert (code, summary["champion"]) == (0, first)


def test_unusable_candidate_is_refused(night, tmp_path, caplog):
    """It is refused before decoding; --weights applies only to the models that need it, and one must need it."""
    features = replace(FEATURES, weights=f"sha256:{'0' * 64}")
    strange = write_checkpoint(tmp_path / "strange", make_checkpoint("st_mil", 160, features=features))
    assert night("--candidate", strange)[0] == 2
    assert "pass their file with --weights" in caplog.text
    assert not (tmp_path / "root" / "features").exists()
    assert night("--weights", "random:7")[0] == 5
    assert not (tmp_path / "root" / "features").exists()
    assert night("--weights", "random:0")[0] == 0


@pytest.mark.parametrize(("part", "data"), [("units", None), ("units", b"x"), ("snapshots", None), ("lists", b"x")])
def test_lost_events_of_the_previous_night(part, data, night, archive, tmp_path, caplog):
    """They do not prevent today's events, which would only be compared with them."""
    night()
    root = open_store(str(tmp_path / "root"))
    before = look(root).shown.events
    write_scene(archive / "yard" / "20260301_130000.mp4", 8, (1, 3))
    real = make_events

    def made(*args):
        found = real(*args)
        folder = tmp_path / "root" / before.prefix
        old = read_snapshot(open_store(str(folder)), snapshot_key(before.snapshot))
        new = read_snapshot(open_store(str(folder)), snapshot_key(found[before_champion].snapshot))
        names = {"units": [o.key for o in old.objects], "lists": [part.key for part in old.lists]}
        names["snapshots"] = [snapshot_key(old.number)]
        still = {o.key for o in new.objects} | {part.key for part in new.lists}
        doomed = set(names[part]) - still
        assert doomed, "there is nothing to lose"
        for name in doomed:
            (folder / name).unlink()
            if data is not None:
                (folder / name).write_bytes(data)
        return found

    before_champion = look(root).champion
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "make_events", made)
        code, summary = night()
    assert (code, summary["published"], summary["events"]) == (0, True, 4)
    assert "cannot be read, so all" in caplog.text
    assert night()[1]["nothing_to_do"]


def test_lost_pointer_after_purge(night, capsys, tmp_path):
    """The previous pointer names purged data; the next night publishes what exists, without purged videos."""
    night()
    words = ("--camera", "door", "--apply", "--force", "--json")
    assert run_here(capsys, "purge", "--root", str(tmp_path / "root"), *words)[0] == 0
    (tmp_path / "root" / "current" / "00000002.json").unlink()
    code, summary = night()
    assert (code, summary["published"], summary["scored"], summary["purged"]) == (0, True, 2, 1)
    look(open_store(str(tmp_path / "root")))
    assert night()[1]["nothing_to_do"]
