"""Regular expressions that a user typed: checked, and given only so much text that a bad one costs little. Pure."""

import re
import warnings
from typing import Final

# Longer lines are looked at only so far; nobody reads, or searches for, what stands behind.
MOST_CHARACTERS: Final = 4096


def compile_pattern(text: str, *, is_regex: bool = True, ignore_case: bool = False) -> re.Pattern[str]:
    """The compiled pattern.

    Raises:
        ValueError: it is no regular expression; the message is one sentence that says what is wrong, and where.
    """
    with warnings.catch_warnings():
        # What Python may read otherwise one day is no concern of who types it.
        warnings.simplefilter("ignore")
        try:
            return re.compile(text if is_regex else re.escape(text), re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            place = f" at character {error.pos + 1}" if error.pos is not None else ""
            raise ValueError(f"'{text}' is not a regular expression: {error.msg}{place}.") from error
        except (OverflowError, RecursionError) as error:
            raise ValueError(f"'{text}' is not a regular expression: it is too large.") from error
