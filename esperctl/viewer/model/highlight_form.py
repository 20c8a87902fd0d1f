"""The form for highlight rules: one a line, ``STYLE: PATTERN``, such as ``bold red: heap|malloc``."""

from collections.abc import Callable
from typing import Final

from esperctl.viewer.effects import Effect
from esperctl.viewer.log.highlighting import HighlightRule
from esperctl.viewer.model.form import Field, Form

_HINT: Final = "STYLE: PATTERN, e.g. bold red: heap|malloc; Enter applies, Tab next, Ctrl-U empties, Esc leaves"
_LEAST_FIELDS: Final = 6


def highlight_form(
    current: tuple[HighlightRule, ...], applied: Callable[[tuple[HighlightRule, ...]], list[Effect]]
) -> Form:
    """The form, with at least one empty line; ``applied`` gets the rules of the lines that are not empty."""

    def apply(texts: list[str]) -> list[Effect]:
        return applied(tuple(parse_rule(text) for text in texts if text))

    texts = [f"{rule.style}: {rule.pattern}" for rule in current]
    texts += [""] * max(_LEAST_FIELDS - len(texts), 1)
    fields = [Field(f"Rule {number}", text, parse_rule) for number, text in enumerate(texts, 1)]
    return Form("Highlight rules", fields, _HINT, apply)


def parse_rule(text: str) -> HighlightRule:
    """A rule as it is typed.

    Raises:
        ValueError: a sentence that says what is wrong.
    """
    style, colon, pattern = text.partition(":")
    if not colon or not style.strip() or not pattern.strip():
        raise ValueError("write STYLE: PATTERN, e.g. bold red: heap")
    return HighlightRule(pattern.strip(), style.strip())
