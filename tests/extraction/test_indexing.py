"""What was learned of a video without decoding it, kept beside the data."""

from wsvad.extraction.indexing import IndexCache
from wsvad.storage import open_store


def test_index_that_another_run_compacts_meanwhile_is_no_failure(dataset):
    """Objects below index/ that vanish between the listing and the read are gaps, and gaps are harmless."""
    out, _ = dataset
    cache = IndexCache(open_store(str(out)))
    for path in out.glob("index/*/*.parquet"):
        path.unlink()
    assert cache.load([]) == {}
