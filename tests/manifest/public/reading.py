"""What the tests of data sets share: reading one as a user would, and counting what came."""

import csv
from collections import Counter

from wsvad.manifest.public.build import ManifestConfig, build


def records_of(name, root, **options):
    """The records of a data set whose files lie below ``root``, without any videos."""
    return build(ManifestConfig(name, str(root), **options), "/nowhere/m.parquet").records


def counted(records):
    """Videos by split and label."""
    return Counter((r.split, r.label) for r in records)


def rows_of(path):
    """The rows of a CSV file."""
    return list(csv.DictReader(path.read_text().splitlines()))
