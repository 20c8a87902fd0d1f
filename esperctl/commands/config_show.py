"""``esperctl config show``: the settings that hold, and where each comes from."""

from esperctl.arguments import Arguments, Parser
from esperctl.commands.config_check import show_problems
from esperctl.errors import EXIT_DONE, EXIT_NO
from esperctl.local_configuration import Setting, ask_configuration
from esperctl.output import Output
from esperctl.tables import table

USAGE = "[FILE]"
DESCRIPTION = (
    "Shows every setting that holds with a configuration file of esperd,\n"
    "and where it comes from.\n"
    "Without FILE: yours, else /etc/esperd/esperd.toml, as esperd itself chooses.\n"
    "The flags of a daemon are not in it."
)

_HEADER = ("KEY", "VALUE", "FROM")


def add_arguments(parser: Parser) -> None:
    """Adds the file."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file")


def run(arguments: Arguments, output: Output) -> int:
    """Shows the settings."""
    found = ask_configuration("show", arguments.file)
    if arguments.json:
        output.document(found)
    elif found.problems:
        show_problems(found, output)
    else:
        for line in table(_HEADER, [_row(setting) for setting in found.settings]):
            output.line(line)
    return EXIT_NO if found.problems else EXIT_DONE


def _row(setting: Setting) -> tuple[str, ...]:
    place = setting.source if setting.line is None else f"{setting.source}:{setting.line}"
    return setting.key, _value_text(setting.value), place


def _value_text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"  # pyright: ignore[reportUnknownArgumentType] - of JSON, whatever it is
    return f"{value:g}" if isinstance(value, float) else str(value)
