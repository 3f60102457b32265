"""The command line: one verb a file, the same through ``wsvad VERB`` and ``python jobs/VERB.py``."""

from wsvad.cli.main import main

__all__ = ["main"]
