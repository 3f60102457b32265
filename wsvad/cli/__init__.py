"""The command line: one command per module, the same through ``wsvad COMMAND`` and ``python jobs/COMMAND.py``."""

from wsvad.cli.main import main

__all__ = ["main"]
