"""The cache of video indexes."""

from tests.extraction.factories import make_video
from wsvad.extraction.indexing import IndexCache, IndexResult
from wsvad.storage import open_store


def test_concurrent_compaction_of_the_index_cache_is_harmless(dataset):
    """Objects below index/ that vanish between listing and reading count as missing, which is harmless."""
    out, _ = dataset
    cache = IndexCache(open_store(str(out)))
    for path in out.glob("index/*/*.parquet"):
        path.unlink()
    assert cache.load([]) == {}


def test_the_order_of_threads_does_not_decide_the_bytes_of_an_index(tmp_path):
    """Videos are indexed by several threads; a repeated run writes the same object."""
    results = [
        IndexResult(make_video(name), kind="no_clips", message="too short") for name in ("a.mp4", "b.mp4", "c.mp4")
    ]
    stored = []
    for order, out in ((results, "one"), (results[::-1], "other")):
        IndexCache(open_store(str(tmp_path / out))).add(order)
        (path,) = (tmp_path / out).glob("index/*/*.parquet")
        stored.append((path.name, path.read_bytes()))
    assert stored[0] == stored[1]
