"""The command as a process: ``python -m wsvad``, ``wsvad``, and the scripts that ``ray job submit`` runs."""

import sys
from collections.abc import Sequence

from wsvad import signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; Ctrl-C and SIGTERM are heeded before anything heavy is imported."""
    with signals.heeded(for_good=True):
        from wsvad import cli

        return signals.leave(cli.main(argv))


if __name__ == "__main__":
    sys.exit(main())
