"""``python -m wsvad``."""

import sys

from wsvad.cli import main

if __name__ == "__main__":
    sys.exit(main())
