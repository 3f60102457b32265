"""Reading manifests as tables."""

from wsvad.manifest.table import read_manifest


def test_unused_columns_of_a_manifest_may_contain_anything():
    """They must not cause an error in a large manifest."""
    lines = ["uri,note", *(f"videos/camera/{i}.mp4,{i}" for i in range(60000)), "last.mp4,text at last"]
    assert len(read_manifest("\n".join(lines).encode(), name="m.csv")) == 60001
