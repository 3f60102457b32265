"""Manifests as tables."""

from wsvad.manifest.table import read_manifest


def test_other_columns_of_a_manifest_may_hold_anything():
    """Columns that extraction does not read must not decide whether a large manifest can be read."""
    lines = ["uri,note", *(f"videos/camera/{i}.mp4,{i}" for i in range(60000)), "last.mp4,text at last"]
    assert len(read_manifest("\n".join(lines).encode(), name="m.csv")) == 60001
