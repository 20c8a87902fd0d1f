"""A run of the command: turns what went wrong into a sentence and an exit code."""

import os
import sys

from esperctl.command_line import run_command_line
from esperctl.errors import EXIT_DONE, EXIT_INTERRUPTED, EsperctlError, FailedError
from esperctl.output import Output, abandon_stdout


def run_process() -> int:
    """Runs the process's command line and returns its exit code."""
    _open_closed_streams()
    output = Output()
    try:
        code = _run_until_exit()
        sys.stdout.flush()
    except EsperctlError as error:
        return _refuse(error, output)
    except BrokenPipeError:
        # The reader had enough, as with `| head`: that is its right and no error.
        abandon_stdout()
        return EXIT_DONE
    except OSError as error:
        abandon_stdout()
        return _refuse(FailedError(f"the output can't be written: {error.strerror or error}"), output)
    except KeyboardInterrupt:
        return _interrupted()
    return code


def _open_closed_streams() -> None:
    """A shell may start us with an output closed (``>&-``): then nobody wants it, which is no error."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process


def _interrupted() -> int:
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
    return EXIT_INTERRUPTED


def _run_until_exit() -> int:
    try:
        return run_command_line(sys.argv[1:])
    except SystemExit as ending:
        # Of --help and --version, or of a signal; the output is still to be flushed.
        return ending.code if isinstance(ending.code, int) else EXIT_DONE


def _refuse(error: EsperctlError, output: Output) -> int:
    try:
        output.warn(error)
    except OSError:
        abandon_stdout()
    return error.exit_code
