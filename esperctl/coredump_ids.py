"""One request for each of several core dumps: all are tried, and the first failure decides the exit code."""

from collections.abc import Callable

from esper_protocol.messages import Done, RequestBody
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE, RequestError, UnknownNameError
from esperctl.output import Output


def add_ids(parser: Parser) -> None:
    """Adds the ids."""
    parser.add_argument("ids", metavar="ID", nargs="+", help="as in `esperctl coredumps list`")


def request_for_each(arguments: Arguments, output: Output, make: Callable[[str], RequestBody]) -> int:
    """Sends the request that *make* gives for each id to the daemon that has the dump."""
    code = EXIT_DONE
    ids: list[str] = arguments.ids
    with open_daemons(arguments.socket, output) as daemons:
        for coredump_id in ids:
            failure = _request(daemons, coredump_id, make(coredump_id))
            if failure is not None:
                output.warn(failure)
                code = code or failure.exit_code
    return code


def _request(daemons: Daemons, coredump_id: str, body: RequestBody) -> RequestError | UnknownNameError | None:
    try:
        client, _ = daemons.coredump(coredump_id)
        client.request(body, Done)
    except (RequestError, UnknownNameError) as error:
        return error
    return None
