"""Helpers for tests of public data sets: build the records as a user would, and count them."""

import csv
from collections import Counter

from wsvad.manifest.public.build import ManifestConfig, build


def records_of(name, root, **options):
    """Return the records of a data set whose annotation files are below ``root``, without videos."""
    return build(ManifestConfig(name, str(root), **options), "/nowhere/m.parquet").records


def counted(records):
    """Count videos by split and label."""
    return Counter((r.split, r.label) for r in records)


def rows_of(path):
    """Return the rows of a CSV file."""
    return list(csv.DictReader(path.read_text().splitlines()))
