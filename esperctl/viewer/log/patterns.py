"""Regular expressions that a user typed: checked when they are typed, and stopped where they take too long.

Some expressions take hours for thirty characters, and which, a board's output decides. So none is ever searched for
but with a limit of time. Pure, but for the processor's time.

The ``regex`` package is used for its ``timeout``; its ``VERSION0`` means what Python's ``re`` means.
"""

import time
import warnings
from math import prod
from typing import Final

import regex

# Longer lines are looked at only so far; nobody reads, or searches for, what stands behind.
MOST_CHARACTERS: Final = 4096
# So many places in one line are found; a pattern may match each character.
MOST_MATCHES: Final = 200
# Who reads a whole journal in a process of its own may take longer.
_SCAN_TIMEOUT_S: Final = 1.0
# A screen is drawn within a frame or two, whatever was typed.
_TIMEOUT_S: Final = 0.02
# What a search may take as a rule, by the length of the line, and how much more all together before it is too much:
# else twenty thousand lines at just below the limit would take minutes.
_ALLOWANCE_S: Final = 50e-6
_ALLOWANCE_PER_CHARACTER_S: Final = 50e-9
_MOST_DEBT_S: Final = 0.1
# ``a{1000}`` is compiled to a thousand a's, and repeats within repeats multiply.
_MOST_REPEATS: Final = 100_000

_REPEAT: Final = regex.compile(r"\{(\d+)")


class SlowPatternError(ValueError):
    """A line took too long to be searched; the message is a sentence for the user."""


class BoundedPattern:
    """A compiled pattern each search of which ends; made by ``compile_pattern``.

    Args:
        text: As it was typed.
        compiled: The pattern.
        timeout_s: How long one search may take.
    """

    def __init__(self, text: str, compiled: regex.Pattern[str], timeout_s: float) -> None:
        self._text = text
        self._compiled = compiled
        self._timeout_s = timeout_s

    def search(self, text: str) -> tuple[int, int] | None:
        """Where the first match in a line begins and ends.

        Raises:
            SlowPatternError: it took too long.
        """
        try:
            found = self._compiled.search(text, 0, MOST_CHARACTERS, timeout=self._timeout_s)
        except TimeoutError as error:
            raise slow(self._text) from error
        return None if found is None else found.span()

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the matches in a line begin and end; ``MOST_MATCHES`` at most, none of them empty.

        Raises:
            SlowPatternError: it took too long.
        """
        spans: list[tuple[int, int]] = []
        try:
            for count, match in enumerate(
                self._compiled.finditer(text, pos=0, endpos=MOST_CHARACTERS, timeout=self._timeout_s)
            ):
                if count == MOST_MATCHES:
                    break
                if match.end() > match.start():
                    spans.append(match.span())
        except TimeoutError as error:
            raise slow(self._text) from error
        return spans


class LivePattern:
    """A pattern that is looked for while somebody waits: too slow once, it is switched off, and finds nothing more.

    ``trouble`` says then what happened, in a sentence; else it is None.

    Raises:
        ValueError: as ``compile_pattern``.
    """

    def __init__(self, text: str, *, is_regex: bool = True, ignore_case: bool = False) -> None:
        self.trouble: str | None = None
        self._text = text
        self._pattern = compile_pattern(text, is_regex=is_regex, ignore_case=ignore_case, timeout_s=_TIMEOUT_S)
        self._debt_s = 0.0
        self._is_told = False

    def is_in(self, text: str, *, otherwise: bool = False) -> bool:
        """Whether a line matches; *otherwise* where that is not looked for any more."""
        if self.trouble is not None:
            return otherwise
        began_at = time.thread_time()
        try:
            is_found = self._pattern.search(text) is not None
        except SlowPatternError as error:
            self.trouble = str(error)
            return otherwise
        self._spent(time.thread_time() - began_at, text)
        return is_found

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the matches in a line begin and end."""
        if self.trouble is not None:
            return []
        began_at = time.thread_time()
        try:
            found = self._pattern.spans(text)
        except SlowPatternError as error:
            self.trouble = str(error)
            return []
        self._spent(time.thread_time() - began_at, text)
        return found

    def take_trouble(self) -> str | None:
        """The trouble, when it is asked for the first time."""
        is_told, self._is_told = self._is_told, self.trouble is not None
        return None if is_told else self.trouble

    def _spent(self, took_s: float, text: str) -> None:
        allowed_s = _ALLOWANCE_S + _ALLOWANCE_PER_CHARACTER_S * min(len(text), MOST_CHARACTERS)
        self._debt_s = max(self._debt_s + took_s - allowed_s, 0.0)
        if self._debt_s > _MOST_DEBT_S:
            self.trouble = str(slow(self._text))


def compile_pattern(
    text: str, *, is_regex: bool = True, ignore_case: bool = False, timeout_s: float = _SCAN_TIMEOUT_S
) -> BoundedPattern:
    """The compiled pattern.

    Raises:
        ValueError: it is no regular expression; the message is one sentence that says what is wrong, and where.
    """
    # Compiled, too many repeats take all memory.
    if is_regex and prod(max(int(number[:9]), 1) for number in _REPEAT.findall(text)) > _MOST_REPEATS:
        raise ValueError(f"'{text}' is not a regular expression: it is too large.")
    flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
    with warnings.catch_warnings():
        # What may be read otherwise one day is no concern of who types it.
        warnings.simplefilter("ignore")
        try:
            compiled = regex.compile(text if is_regex else regex.escape(text), flags, cache_pattern=False)
        except regex.error as error:
            raise ValueError(f"'{text}' is not a regular expression: {error}.") from error
        except (OverflowError, RecursionError) as error:
            raise ValueError(f"'{text}' is not a regular expression: it is too large.") from error
    return BoundedPattern(text, compiled, timeout_s)


def slow(text: str) -> SlowPatternError:
    """The error of a pattern that took too long."""
    return SlowPatternError(f"'{text}' takes too long to be looked for; it is switched off, write it simpler")
