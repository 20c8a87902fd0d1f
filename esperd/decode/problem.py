"""From an exception to the sentence that a decoder process answers with: it prints no traceback, whatever happens."""

import msgspec

from esperd.decode.elf_choice import NoElfError
from esperd.decode.errors import DecodeError
from esperd.decode.program import ProgramError
from esperd.decode.request import DecodeProblem


def problem_of(error: Exception, program: str, file: str) -> DecodeProblem:
    """What stopped a decode.

    Args:
        error: What was raised.
        program: What failed, when the error is one of ours.
        file: What can't be read, when the error does not say.
    """
    match error:
        case NoElfError():
            return DecodeProblem(code=error.code, message=str(error), app_sha256=error.app_sha256)
        case DecodeError():
            return DecodeProblem(code=error.code, message=str(error))
        case ProgramError() | msgspec.DecodeError():
            return DecodeProblem(code="unreadable", message=str(error))
        case OSError():
            message = f"{error.filename or file} can't be read: {error.strerror}"
            return DecodeProblem(code="unreadable", message=message)
        case MemoryError():
            return DecodeProblem(code="memory", message="it needs more than the memory that is allowed")
        case _:
            message = f"the {program} failed: {type(error).__name__}: {error}"
            return DecodeProblem(code="internal", message=message)
