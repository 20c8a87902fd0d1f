"""The entry point, which imports everything else only when it runs."""

import gc

from esperctl.errors import EXIT_INTERRUPTED


def main() -> int:
    """Runs the process's command line and returns its exit code."""
    # Imports make tens of thousands of objects and no garbage; looking for some costs a twentieth of a short run.
    # The command line turns the collector on again.
    gc.disable()
    try:
        from esperctl.process import run_process  # noqa: PLC0415 - so that the above and the below hold for it
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return run_process()
