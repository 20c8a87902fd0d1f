"""Errors for people: one sentence, what to do about it, and the exit code.

* EsperctlError
    * UsageError (2): the command line is wrong
    * NoDaemonError (3): nothing listens, or the daemon went away
    * NotServedError (3): the board that was followed is served no longer
    * UnknownNameError (4): no such board, core dump or ELF file
    * NotPermittedError (4): the socket or a file may not be used
    * BusyError (75): somebody else has what is needed
    * TimedOutError (124): no answer within the deadline
    * FailedError (1): it ran, and the answer is no
    * HandOverError (125): the port could not be handed over to a command
    * NotRunnableError (126, 127): a command can't be run, or is not there
    * RequestError: the daemon refused a request; its code decides
"""

from typing import Final

EXIT_DONE: Final = 0
EXIT_NO: Final = 1
EXIT_USAGE: Final = 2
EXIT_ABSENT: Final = 3
EXIT_UNKNOWN: Final = 4
EXIT_BUSY: Final = 75
EXIT_TIMED_OUT: Final = 124
# As of a shell, and of other programs that run a command.
EXIT_NOT_HANDED_OVER: Final = 125
EXIT_NOT_EXECUTABLE: Final = 126
EXIT_NOT_FOUND: Final = 127
EXIT_INTERRUPTED: Final = 130

_EXIT_CODES: Final = {
    "bad_request": EXIT_USAGE,
    "unknown_board": EXIT_UNKNOWN,
    "unknown_coredump": EXIT_UNKNOWN,
    "unknown_elf": EXIT_UNKNOWN,
    "permission": EXIT_UNKNOWN,
    "absent": EXIT_ABSENT,
    "busy": EXIT_BUSY,
    "capturing": EXIT_BUSY,
    "limit": EXIT_BUSY,
    "timed_out": EXIT_TIMED_OUT,
}


class EsperctlError(Exception):
    """Base of all; ``message`` is one sentence, ``hint`` says what to do."""

    exit_code = EXIT_NO

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EsperctlError):
    """The command line is wrong."""

    exit_code = EXIT_USAGE


class NoDaemonError(EsperctlError):
    """Nothing listens on the socket, or what listened went away."""

    exit_code = EXIT_ABSENT


class NotServedError(EsperctlError):
    """A board that was followed is not among those of its daemon any more."""

    exit_code = EXIT_ABSENT

    def __init__(self, board: str, reason: str | None = None) -> None:
        why = f": {reason}" if reason else ""
        super().__init__(f"board {board} is no longer served by esperd{why}", "see `esperctl boards`")


class UnknownNameError(EsperctlError):
    """No daemon knows this board or core dump."""

    exit_code = EXIT_UNKNOWN


class NotPermittedError(EsperctlError):
    """The user may not do this."""

    exit_code = EXIT_UNKNOWN


class BusyError(EsperctlError):
    """Somebody else has what is needed."""

    exit_code = EXIT_BUSY


class TimedOutError(EsperctlError):
    """The deadline passed."""

    exit_code = EXIT_TIMED_OUT


class FailedError(EsperctlError):
    """It ran, but the answer is no."""


class HandOverError(EsperctlError):
    """The command was not run, because its port is not to be had."""

    exit_code = EXIT_NOT_HANDED_OVER


class NotRunnableError(EsperctlError):
    """The command was not run, because it is not there, or no program."""

    def __init__(self, message: str, hint: str | None = None, *, is_there: bool) -> None:
        super().__init__(message, hint)
        self.exit_code = EXIT_NOT_EXECUTABLE if is_there else EXIT_NOT_FOUND


class RequestError(EsperctlError):
    """The daemon answered a request with an error."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.exit_code = _EXIT_CODES.get(code, EXIT_NO)
