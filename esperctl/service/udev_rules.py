"""What the administrator's udev rules, those before `90-esperd.rules`, say of a chip.

They are read as far as they ask for what tells one chip from another. A rule that asks for more, such as where the chip
is plugged in, is taken to hold.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from esperctl.service.scope import Scope

_OURS: Final = "90-esperd.rules"
# Source: udev(7), "Rules Files".
_FOLDER: Final = "/etc/udev/rules.d"
_WORD: Final = re.compile(r'(?P<key>[A-Z_]+(?:\{[^}]*\})?)\s*(?P<operator>[=!]=|[:+-]?=)\s*"(?P<value>[^"]*)"')


def is_started_by_udev(scope: Scope, chip: Mapping[str, str]) -> bool:
    """Whether the rules leave a chip to `90-esperd.rules`, which starts its daemon by its link.

    Args:
        scope: Whose rules; a user has none.
        chip: What keys of udev have the chip's values, such as ``ENV{ID_VENDOR_ID}``.
    """
    if scope.is_user:
        return False
    properties = {"ENV{ESPERD_START}": "", "ENV{ESPERD_INSTANCE}": ""}
    for line in _lines(scope):
        words = [match.group("key", "operator", "value") for match in _WORD.finditer(line)]
        if all(_may_hold(chip.get(key), operator, value) for key, operator, value in words):
            properties |= {
                key: value for key, operator, value in words if operator in ("=", ":=") and key in properties
            }
    return properties["ENV{ESPERD_START}"] in ("", "1") and not properties["ENV{ESPERD_INSTANCE}"]


def _lines(scope: Scope) -> Iterator[str]:
    for path in sorted(scope.place(_FOLDER).glob("*.rules")):
        if path.name < _OURS:
            try:
                text = path.read_text("utf-8", "replace")
            except OSError:
                continue
            yield from (line for line in text.replace("\\\n", "").splitlines() if not line.lstrip().startswith("#"))


def _may_hold(actual: str | None, operator: str, patterns: str) -> bool:
    if actual is None or operator not in ("==", "!="):
        return True
    is_match = any(fnmatchcase(actual, pattern) for pattern in patterns.split("|"))
    return is_match == (operator == "==")
