"""``esperctl __complete SHELL …``: what may stand at the cursor, for the scripts of ``esperctl completion``.

For bash ``SHELL`` is followed by ``$COMP_WORDBREAKS`` and the line up to the cursor, else by the words up to there.
"""

from typing import Final

from esperctl.completion.candidates import Candidate, wanted
from esperctl.completion.command_words import CommandWords, from_bash, from_words
from esperctl.completion.names import names_from
from esperctl.errors import EXIT_DONE, EXIT_USAGE
from esperctl.output import Output
from esperctl.safe_text import safe_text

_FILES: Final = ":files"


def answer(words: list[str], output: Output) -> int:
    """Writes the candidates; nothing if there are none, whatever the reason."""
    if not words:
        return EXIT_USAGE
    shell, *rest = words
    if shell == "bash":
        breaks, line = [*rest, "", ""][:2]
        place = from_bash(line, breaks)
    else:
        place = from_words(rest)
    asked = wanted(place.before, place.current)
    found = list(asked.known)
    for source in asked.sources:
        found += [
            Candidate(f"{asked.prefix}{name.value}", name.description) for name in names_from(source, asked.socket)
        ]
    for candidate in found:
        if candidate.value.startswith(place.current):
            output.line(_text(candidate, place, with_description=shell != "bash"))
    if "files" in asked.sources:
        output.line(_FILES)
    return EXIT_DONE


def _text(candidate: Candidate, place: CommandWords, *, with_description: bool) -> str:
    value = safe_text(candidate.value[place.kept :])
    return f"{value}\t{safe_text(candidate.description)}" if with_description else value
