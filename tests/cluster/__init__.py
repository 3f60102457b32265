"""Everything below ``cluster/``, checked without a cluster of Kubernetes, a Docker engine, or a network."""
