"""``esperctl elf rm``: deletes ELF files from the daemons' stores."""

from esper_protocol.messages import ElfStored, RemoveElf
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE, RequestError
from esperctl.output import Output

DESCRIPTION = "Delete ELF files; reports that were made with them stay."


def add_arguments(parser: Parser) -> None:
    """Adds the sums."""
    parser.add_argument("sums", metavar="SHA", nargs="+", help="the first digits of a SHA-256, at least 4")


def run(arguments: Arguments, output: Output) -> int:
    """Deletes them; all are tried, and the first failure decides the exit code."""
    code = EXIT_DONE
    sums: list[str] = arguments.sums
    with open_daemons(arguments.socket, output) as daemons:
        for sha256 in sums:
            failure = _remove(daemons, sha256)
            if failure is not None:
                output.warn(failure)
                code = code or failure.exit_code
    return code


def _remove(daemons: Daemons, sha256: str) -> RequestError | None:
    """Removes it wherever it is; an error only if it is nowhere, or not to be removed."""
    unknown: RequestError | None = None
    is_removed = False
    for daemon in daemons.found:
        try:
            daemon.client.request(RemoveElf(sha256), ElfStored)
            is_removed = True
        except RequestError as error:
            if error.code != "unknown_elf":
                return error
            unknown = error
    return None if is_removed else unknown
