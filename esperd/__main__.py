"""``python -m esperd``."""

import sys

from esperd.cli import main

if __name__ == "__main__":
    sys.exit(main())
