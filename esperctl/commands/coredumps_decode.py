"""``esperctl coredumps decode``: a stored core dump anew, or any file without a daemon."""

import argparse
import math
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.events import (
    Body,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeStarted,
    DecodeTimedOut,
    Event,
)
from esper_protocol.messages import CancelDecode, CoredumpDetails, DecodeCoredump, DecodeJob, Subscribe, Subscribed
from esperctl.arguments import Arguments, Parser
from esperctl.client import Client
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE, FailedError, RequestError, TimedOutError
from esperctl.local_decoder import DEFAULT_TIMEOUT_S, decode_file, format_html
from esperctl.output import Output
from esperctl.safe_text import safe_text
from esperctl.stored_files import read_file, send_elf

DESCRIPTION = """\
Decode a core dump: which task crashed, in which function and line, with which
arguments. A stored one is decoded by its daemon, and its report replaced; a
file (a log, base64 text, a container, an ELF core) without any daemon."""
_BACKENDS: Final = ("auto", "native", "esp-coredump")
_REPORT_FILES: Final = {True: "report.json", False: "report.txt"}


def add_arguments(parser: Parser) -> None:
    """Adds the dump and how to decode it."""
    parser.add_argument("dump", metavar="ID|FILE", help="as in `esperctl coredumps list`; or a file")
    parser.add_argument("--elf", metavar="ELF", help="the program; default: the stored one with the dump's SHA-256")
    parser.add_argument("--backend", choices=_BACKENDS, default="auto", help="default: auto, which is native if it can")
    parser.add_argument(
        "--timeout", metavar="S", type=_seconds, help="deadline in seconds; default: 60, or the daemon's"
    )
    parser.add_argument("--force", action="store_true", help="also with a program that is not the dump's")
    parser.add_argument("--html", metavar="FILE", help="the report as one HTML file; - is standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="local variables, too")


def run(arguments: Arguments, output: Output) -> int:
    """Decodes it, and prints the report."""
    if Path(arguments.dump).is_file():
        _decode_file(arguments, output)
    elif "/" in arguments.dump:
        raise FailedError(f"there is no file {arguments.dump}")
    else:
        _decode_stored(arguments, output)
    return EXIT_DONE


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return seconds


def _print(report: object, text: str, arguments: Arguments, output: Output) -> None:
    if arguments.html is not None:
        page = format_html(msgspec.json.encode(report))
        if arguments.html == "-":
            output.write(page)
            return
        try:
            Path(arguments.html).write_bytes(page)
        except OSError as error:
            raise FailedError(f"{arguments.html} can't be written: {error.strerror}") from error
        return
    if arguments.json:
        output.document(report)
        return
    for line in text.splitlines():
        output.line(safe_text(line))


# A file ---------------------------------------------------------------------------------------------------


def _decode_file(arguments: Arguments, output: Output) -> None:
    timeout_s: float = arguments.timeout or DEFAULT_TIMEOUT_S
    elf: str | None = arguments.elf
    if elf is None:
        output.talk("without an ELF file there are registers and tasks, but no functions; name it with --elf")
    with tempfile.TemporaryDirectory(prefix="esperctl-") as work_dir:
        answer = decode_file(
            {
                "dump": str(Path(arguments.dump).absolute()),
                "elf": None if elf is None else str(Path(elf).absolute()),
                "force": arguments.force,
                "locals": arguments.verbose,
                "backend": arguments.backend,
                "work_dir": work_dir,
            },
            timeout_s,
        )
    if answer.error is not None:
        raise FailedError(f"{arguments.dump} can't be decoded: {answer.error.message}")
    _print(answer.report, answer.text or "", arguments, output)


# A stored one ---------------------------------------------------------------------------------------------


def _decode_stored(arguments: Arguments, output: Output) -> None:
    with open_daemons(arguments.socket, output) as daemons:
        client, details = daemons.coredump(arguments.dump)
        _decode_by_daemon(client, details, arguments, output)
        wants_json = arguments.json or arguments.html is not None
        name = _REPORT_FILES[wants_json]
        data = b"".join(read_file(client, details.record.id, name))
    report: object = msgspec.json.decode(data) if wants_json else None
    _print(report, data.decode("utf-8", "backslashreplace"), arguments, output)


def _decode_by_daemon(client: Client, details: CoredumpDetails, arguments: Arguments, output: Output) -> None:
    coredump_id = details.record.id
    elf_sha256: str | None = None
    if arguments.elf is not None:
        stored, _ = send_elf(client, Path(arguments.elf), output)
        elf_sha256 = None if stored.elf is None else stored.elf.sha256
    _follow(client, details.record.board)
    request = DecodeCoredump(
        coredump_id, arguments.backend, elf_sha256, arguments.timeout, arguments.force, arguments.verbose
    )
    job = client.request(request, DecodeJob).job
    try:
        # Without a deadline of our own: others may be decoded first, and then the daemon's deadline ends it.
        while not _is_done(client, job, output):
            pass
    except KeyboardInterrupt:
        client.post(CancelDecode(coredump_id))
        raise


def _follow(client: Client, board: str) -> None:
    """Subscribes before the job begins, so that its end can't be missed."""
    try:
        client.request(Subscribe(board), Subscribed)
    except RequestError as error:
        if error.code != "unknown_board":
            raise
        # A dump whose board nobody runs: the request that follows is answered with what to do.


def _is_done(client: Client, job: int, output: Output) -> bool:
    return any(isinstance(message, Event) and _ends(message.body, job, output) for message in client.receive())


def _ends(body: Body, job: int, output: Output) -> bool:
    """Whether this is the end of the job, and a good one."""
    match body:
        case DecodeStarted() if body.job == job:
            output.progress(f"decoding {body.target} ({body.backend})")
            return False
        case DecodeFinished() if body.job == job:
            return True
        case DecodeFailed() if body.job == job:
            raise FailedError(f"{body.target} was not decoded: {body.error}")
        case DecodeTimedOut() if body.job == job:
            raise TimedOutError(f"{body.target} was not decoded within {body.timeout_s:g} s")
        case DecodeCancelled() if body.job == job:
            raise FailedError(f"the decode of {body.target} was cancelled: {body.reason}")
        case _:
            return False
