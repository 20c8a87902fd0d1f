"""``python -m esperctl``."""

import sys

from esperctl.cli import main

if __name__ == "__main__":
    sys.exit(main())
