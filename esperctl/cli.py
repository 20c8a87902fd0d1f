"""The entry point, which imports everything else only when it runs."""

import gc
from typing import Final

_EXIT_INTERRUPTED: Final = 130


def main() -> int:
    """Runs the process's command line and returns its exit code."""
    # Imports make tens of thousands of objects and no garbage; looking for some costs a twentieth of a short run.
    # The command line turns the collector on again.
    gc.disable()
    try:
        from esperctl.process import run_process  # noqa: PLC0415 - so that the above and the below hold for it
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    return run_process()
