"""Fixture of the chaos tests on object storage: a cluster of three nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ray.cluster_utils import Cluster


@pytest.fixture
def cluster(s3_bucket: str) -> Iterator[Cluster]:
    """Three nodes, which know the credentials of the bucket; the first only hosts the driver and the books."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()
