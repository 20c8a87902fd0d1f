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
from esperctl.dump_files import dump_file, mode_of
from esperctl.elf_stores import elf_stores
from esperctl.errors import EXIT_DONE, FailedError, RequestError, TimedOutError, UsageError
from esperctl.local_decoder import DEFAULT_TIMEOUT_S, Answer, Problem, decode_file, format_html
from esperctl.output import Output
from esperctl.safe_text import safe_text
from esperctl.standard_input import STANDARD_INPUT
from esperctl.stored_files import read_file, send_elf
from esperctl.waiting_dumps import check_on_disk

DESCRIPTION = """\
Decode a core dump: which task crashed, in which function and line, with which
arguments. A stored one is decoded by its daemon, and its report replaced; a
file (a log, base64 text, a container, an ELF core) without any daemon. Of a
log with several, all are printed."""
_BACKENDS: Final = ("auto", "native", "esp-coredump")
# What would be said of every dump in the file.
_OF_THE_QUESTION: Final = ("bad_elf", "bad_request", "no_elf", "unavailable")
_MOST_DIGITS: Final = 10
# The system waits for a pipe in milliseconds of 31 bits. Source: poll(2).
_LONGEST_S: Final = 1e6
_REPORT_FILES: Final = {True: "report.json", False: "report.txt"}


def add_arguments(parser: Parser) -> None:
    """Adds the dump and how to decode it."""
    parser.add_argument("dump", metavar="ID|FILE", help="of `esperctl coredumps list`; a file; or - (stdin)")
    parser.add_argument(
        "--number",
        metavar="N",
        type=_number,
        help="the Nth dump of a file with several; default: all; with --json or --html the last",
    )
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
    with dump_file(arguments.dump, output) as path:
        if path is not None:
            return _decode_file(path, arguments, output)
    if "/" in arguments.dump:
        if mode_of(Path(arguments.dump)):
            raise FailedError(f"{arguments.dump} is neither a file nor a pipe")
        raise FailedError(f"there is no file {arguments.dump}")
    if arguments.number is not None:
        raise UsageError(f"{arguments.dump} is one core dump: --number is for a file with several")
    _decode_stored(arguments, output)
    return EXIT_DONE


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < _MOST_DIGITS or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not the number of a core dump: 1 is the first in the file")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    if seconds > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"'{text}' is more than {_LONGEST_S:.0f} seconds")
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


def _decode_file(path: Path, arguments: Arguments, output: Output) -> int:
    """Prints the text of all dumps in it, or the report of one as a document."""
    is_document = arguments.json or arguments.html is not None
    stores = [] if arguments.elf else elf_stores(arguments.socket, output)
    if arguments.number is not None or is_document:
        answer = _ask(path, arguments.number, stores, arguments)
        if answer.error is not None:
            raise _failure(answer.error, answer, arguments)
        _print(answer.report, answer.text or "", arguments, output)
        if arguments.number is None and answer.count > 1:
            output.talk(
                f"{answer.count} core dumps in {_name(arguments)}; this is the last ({answer.number}, at line "
                f"{answer.line}); --number picks another"
            )
        _tell_missing_elf([answer], output)
        return EXIT_DONE
    return _print_all(path, stores, arguments, output)


def _print_all(path: Path, stores: list[str], arguments: Arguments, output: Output) -> int:
    """One that can't be decoded does not keep the others from it; the exit code tells of it."""
    code, number, count = EXIT_DONE, 1, 1
    answers: list[Answer] = []
    while number <= count:
        answer = _ask(path, number, stores, arguments)
        answers.append(answer)
        count = answer.count
        if answer.error is None:
            if count > 1:
                output.line(f"core dump {number} of {count} (line {answer.line})")
            _print(answer.report, answer.text or "", arguments, output)
            if number < count:
                output.line()
        else:
            failure = _failure(answer.error, answer, arguments)
            if count == 1 or answer.error.code in _OF_THE_QUESTION:
                raise failure
            output.warn(failure)
            code = failure.exit_code
        number += 1
    _tell_missing_elf(answers, output)
    return code


def _tell_missing_elf(answers: list[Answer], output: Output) -> None:
    if any(answer.report is not None and answer.report.get("elf_path") is None for answer in answers):
        output.talk(
            "without an ELF file there are registers and tasks, but no functions; name it with --elf, or add it to "
            "the ones that are known: `esperctl elf add PATH`"
        )


def _ask(path: Path, number: int | None, stores: list[str], arguments: Arguments) -> Answer:
    with tempfile.TemporaryDirectory(prefix="esperctl-") as work_dir:
        return decode_file(
            {
                "dump": str(path),
                "number": number,
                "elf_stores": stores,
                "elf": None if arguments.elf is None else str(Path(arguments.elf).absolute()),
                "force": arguments.force,
                "locals": arguments.verbose,
                "backend": arguments.backend,
                "work_dir": work_dir,
            },
            arguments.timeout or DEFAULT_TIMEOUT_S,
        )


def _failure(problem: Problem, answer: Answer, arguments: Arguments) -> FailedError:
    which = f"core dump {answer.number} (line {answer.line}) of " if answer.count > 1 else ""
    return FailedError(f"{which}{_name(arguments)} can't be decoded: {problem.message}")


def _name(arguments: Arguments) -> str:
    return "standard input" if arguments.dump in STANDARD_INPUT else arguments.dump


# A stored one ---------------------------------------------------------------------------------------------


def _decode_stored(arguments: Arguments, output: Output) -> None:
    with open_daemons(arguments.socket, output) as daemons:
        client, details = daemons.coredump(arguments.dump)
        check_on_disk(daemons, client, details)
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
    try:
        job = client.request(request, DecodeJob).job
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
