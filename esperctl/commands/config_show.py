"""``esperctl config show``: the settings that hold, and where each comes from."""

import json

from esperctl.arguments import Arguments
from esperctl.commands import config_check
from esperctl.commands.config_check import SEEN_BY_TEXT, ask, show_problems, talk_of
from esperctl.errors import EXIT_DONE, EXIT_NO
from esperctl.local_configuration import Setting
from esperctl.output import Output
from esperctl.tables import table

DESCRIPTION = f"""\
Shows every setting that holds with a configuration file of esperd, and where
it comes from: a line of the file, a flag of the service's unit, the default.
{SEEN_BY_TEXT}"""

add_arguments = config_check.add_arguments

_HEADER = ("KEY", "VALUE", "FROM")


def run(arguments: Arguments, output: Output) -> int:
    """Shows the settings."""
    found = ask("show", arguments)
    if arguments.json:
        output.document(found)
        return EXIT_NO if found.problems else EXIT_DONE
    if found.problems:
        show_problems(found.problems, output)
    else:
        for line in table(_HEADER, [_row(setting) for setting in found.settings]):
            output.line(line)
    for warning in found.warnings:
        output.talk(f"warning: {warning.message}")
    talk_of(found, output)
    return EXIT_NO if found.problems else EXIT_DONE


def _row(setting: Setting) -> tuple[str, ...]:
    place = setting.source if setting.line is None else f"{setting.source}:{setting.line}"
    return setting.key, _value_text(setting.value), place if setting.flag is None else f"{place} ({setting.flag})"


def _value_text(value: object) -> str:
    """As TOML has it, but that text is without quotes."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) else str(value)
