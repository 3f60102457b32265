"""Entry point of the command: ``wsvad``, ``python -m wsvad``, and the scripts for ``ray job submit``."""

import sys
from collections.abc import Sequence

from wsvad import signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Signal handlers are installed before any slow import."""
    with signals.handled(permanent=True):
        from wsvad import cli

        return signals.exit_process(cli.main(argv))


if __name__ == "__main__":
    sys.exit(main())
