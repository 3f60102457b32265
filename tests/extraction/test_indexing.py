"""The cache of video indexes."""

from wsvad.extraction.indexing import IndexCache
from wsvad.storage import open_store


def test_concurrent_compaction_of_the_index_cache_is_harmless(dataset):
    """Objects below index/ that vanish between listing and reading count as missing, which is harmless."""
    out, _ = dataset
    cache = IndexCache(open_store(str(out)))
    for path in out.glob("index/*/*.parquet"):
        path.unlink()
    assert cache.load([]) == {}
