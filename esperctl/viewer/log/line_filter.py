"""Which lines are shown: by level and tag as in ``idf.py monitor``, and by regular expressions. Pure.

``*:W wifi:D`` shows warnings and worse of all tags, and of wifi all down to debug. A tag alone shows all of it; tags
that are not named are hidden unless there is a ``*``. Lines that have no level pass where ``*`` does not hide all.

Source: idf.py monitor, option --print-filter (esp-idf docs/en/api-guides/tools/idf-monitor.rst, "Output Filtering").
"""

from dataclasses import dataclass, field
from typing import Final

from esperctl.viewer.log.levels import logged
from esperctl.viewer.log.line_text import plain_text
from esperctl.viewer.log.patterns import MOST_CHARACTERS, LivePattern

_RANKS: Final = {"N": 0, "E": 1, "W": 2, "I": 3, "D": 4, "V": 5}
_ALL: Final = "*"
# Enough bytes for the characters that are looked at.
_MOST_BYTES: Final = 4 * MOST_CHARACTERS


@dataclass(frozen=True, slots=True)
class LineFilter:
    """What passes; ``levels``, ``include`` and ``exclude`` are what was typed. Made by ``LineFilter.parse``."""

    levels: str
    include: str
    exclude: str
    _ranks: dict[str, int] = field(init=False, repr=False, compare=False)
    _include: LivePattern | None = field(init=False, repr=False, compare=False)
    _exclude: LivePattern | None = field(init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, levels: str = "", *, include: str = "", exclude: str = "") -> "LineFilter":
        """Checks what was typed; empty parts let all pass.

        Raises:
            ValueError: a part is wrong; the message is one sentence for the user.
        """
        return cls(levels.strip(), include, exclude)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ranks", _parse_levels(self.levels))
        object.__setattr__(self, "_include", LivePattern(self.include) if self.include else None)
        object.__setattr__(self, "_exclude", LivePattern(self.exclude) if self.exclude else None)

    @property
    def is_empty(self) -> bool:
        """Whether all lines pass."""
        return not (self.levels or self.include or self.exclude)

    @property
    def patterns(self) -> tuple[LivePattern, ...]:
        """Its regular expressions; one that was too slow filters nothing any more."""
        return tuple(pattern for pattern in (self._include, self._exclude) if pattern is not None)

    def passes(self, data: bytes) -> bool:
        """Whether a line is shown."""
        if self._ranks and not self._passes_level(data):
            return False
        if self._include is None and self._exclude is None:
            return True
        text = plain_text(data if len(data) <= _MOST_BYTES else data[:_MOST_BYTES])
        if self._include is not None and not self._include.is_in(text, otherwise=True):
            return False
        return self._exclude is None or not self._exclude.is_in(text)

    def _passes_level(self, data: bytes) -> bool:
        most = self._ranks.get(_ALL, 0)
        found = logged(data)
        if found is None:
            return most > 0
        return _RANKS[found.level] <= self._ranks.get(found.tag, most)


def _parse_levels(text: str) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for word in text.replace(",", " ").split():
        tag, colon, level = word.rpartition(":")
        if not colon:
            tag, level = word, "V"
        if not tag or level.upper() not in _RANKS:
            raise ValueError(f"'{word}' is not a level filter; write tag:LEVEL with one of N E W I D V, such as *:W.")
        ranks[tag] = _RANKS[level.upper()]
    return ranks
