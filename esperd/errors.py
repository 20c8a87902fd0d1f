"""Errors that a person reads, and the exit codes they lead to.

* EsperdError: one sentence that says what failed and on what; ``hint`` says what to do next
    * ConfigurationError: a flag or a configuration file (exit code 2)
    * StartError: the daemon can't start with what it was given (exit code 1, or 75 when somebody else holds it)
    * CommandError: a client's request that can't be done; carries a protocol error code
"""

from typing import Final

from esper_protocol.messages import ErrorCode

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_BUSY: Final = 75
EXIT_INTERRUPTED: Final = 130


def innermost(error: Exception) -> Exception:
    """The exception itself, out of the groups of one that nurseries wrap it in."""
    members: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return innermost(members[0]) if len(members) == 1 else error


class EsperdError(Exception):
    """Base of all; ``exit_code`` is the program's when nobody handles it."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigurationError(EsperdError):
    """A flag or a key has a value that is not allowed, or is not known.

    Args:
        text: One sentence, without the place.
        hint: What to do.
        key: The key, with the tables around it; empty for a flag.
        place: ``FILE``, ``FILE:LINE`` or ``FILE:LINE:COLUMN``; empty for a flag.
        line: The line of *place*, from 1 on.
        may_heal: Whether it may be right later as it is, so that a service is to be started again: names of users and
            groups may come from a directory that this machine does not reach yet.
    """

    exit_code = EXIT_USAGE

    def __init__(
        self,
        text: str,
        hint: str | None = None,
        *,
        key: tuple[str | int, ...] = (),
        place: str = "",
        line: int | None = None,
        may_heal: bool = False,
    ) -> None:
        super().__init__(f"{place}: {text}" if place else text, hint)
        if may_heal:
            self.exit_code = EXIT_FAILED
        self.may_heal = may_heal
        self.text = text
        self.key = key
        self.place = place
        self.line = line


class InvalidFileError(ConfigurationError):
    """A configuration file has errors; ``problems`` are all of them, in the order of the file."""

    def __init__(self, path: str, problems: "list[ConfigurationError]") -> None:
        first, others = problems[0], len(problems) - 1
        more = f" (and {others} more; `esperctl config check {path}` shows all)" if others else ""
        may_heal = all(problem.may_heal for problem in problems)
        super().__init__(
            f"{first.text}{more}", first.hint, key=first.key, place=first.place, line=first.line, may_heal=may_heal
        )
        self.problems = problems


class StartError(EsperdError):
    """A directory, a lock or a socket is not to be had."""

    def __init__(self, message: str, hint: str | None = None, *, is_busy: bool = False) -> None:
        super().__init__(message, hint)
        if is_busy:
            self.exit_code = EXIT_BUSY


class CommandError(EsperdError):
    """Answered to the client; the daemon goes on."""

    def __init__(self, code: ErrorCode, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.code: ErrorCode = code
