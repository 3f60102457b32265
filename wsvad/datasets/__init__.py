"""Known data sets, from their published annotation files to manifests with exact truth."""
