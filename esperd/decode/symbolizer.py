"""The symbolizer process, ``python -m esperd.decode.symbolizer``: panics in, functions and lines out, one by one.

Unlike the decoder of core dumps it stays: the programs that it has open make a backtrace of one that it knows cost
milliseconds. Like that decoder it may be killed at any moment, dies with the daemon, answers with one message whatever
happens, and prints no traceback. Its limits are put upon it from outside.
"""

import sys
import time
from dataclasses import replace
from typing import Final

import msgspec

from esper_protocol.version import PACKAGE_VERSION
from esperd.core.text import strip_line
from esperd.decode.errors import DecodeError
from esperd.decode.panic import PanicReport, PanicText, calls_in, decode_panic, read_stack
from esperd.decode.panic_program import choose_program
from esperd.decode.problem import problem_of
from esperd.decode.program_cache import ProgramCache
from esperd.decode.report import DecoderReport
from esperd.decode.request import NATIVE
from esperd.decode.symbolizer_request import HEADER, MAX_REQUEST_BYTES, PanicAnswer, PanicRequest, encode_frame

# A bench has boards of a few programs; each open one has some megabytes of indexes.
_OPEN_PROGRAMS: Final = 4
_REQUESTS: Final = msgspec.msgpack.Decoder(PanicRequest)


def main() -> int:
    """Answers requests until standard input ends; returns the exit code."""
    programs = ProgramCache(_OPEN_PROGRAMS)
    while (data := _read_frame()) is not None:
        sys.stdout.buffer.write(encode_frame(answer_to(data, programs)))
        sys.stdout.buffer.flush()
    return 0


def _read_frame() -> bytes | None:
    """The next request; None at the end."""
    header = _read(HEADER.size)
    if header is None:
        return None
    (size,) = HEADER.unpack(header)
    return _read(size) if size <= MAX_REQUEST_BYTES else None


def _read(size: int) -> bytes | None:
    data = sys.stdin.buffer.read(size)
    return data if len(data) == size else None


def answer_to(data: bytes, programs: ProgramCache) -> PanicAnswer:
    """The answer to a request, whatever it is."""
    number = 0
    try:
        request = _REQUESTS.decode(data)
        number = request.number
        return _explain(request, programs)
    except Exception as error:  # noqa: BLE001 - one request must not end the process: a sentence instead
        if not isinstance(error, DecodeError):
            # One of them may have been changed, or damaged, or be too large.
            programs.clear()
        return PanicAnswer(number=number, error=problem_of(error, "symbolizer", "the ELF file"))


def _explain(request: PanicRequest, programs: ProgramCache) -> PanicAnswer:
    started = time.perf_counter()
    text = PanicText(request.panic, tuple(read_stack(map(strip_line, request.stack))), request.app_sha256)
    program = choose_program(text, request.elfs, programs)
    report = decode_panic(text, program)
    if not report.frames and not report.places:
        raise DecodeError("no_frames", f"nothing in it is code of {program.path}")
    if report.elf_match == "unknown":
        good, total = calls_in(text, program)
        guess = (
            "elf_guessed: no SHA-256 is known; this is the only ELF file that fits: "
            f"{good} of {total} return addresses lie behind a call of it"
        )
        report = replace(report, warnings=[*report.warnings, guess])
    seconds = round(time.perf_counter() - started, 4)
    report = replace(report, decoder=DecoderReport(NATIVE, PACKAGE_VERSION, seconds))
    return PanicAnswer(
        number=request.number,
        report=_json(report, request.report_bytes).decode(),
        elf_path=str(program.path),
        is_certain=report.elf_match == "sha256",
    )


def _json(report: PanicReport, limit_bytes: int) -> bytes:
    """As much of a report as may be said: without arguments where it is too large, then with fewer frames."""
    data = msgspec.json.encode(report)
    if len(data) > limit_bytes:
        frames = [replace(frame, args=[]) for frame in report.frames]
        report = replace(report, frames=frames, warnings=[*report.warnings, "truncated: arguments are not shown"])
        data = msgspec.json.encode(report)
    while len(data) > limit_bytes and (report.frames or report.places):
        frames, places = report.frames[: len(report.frames) // 2], report.places[: len(report.places) // 2]
        warnings = [*report.warnings[:8], f"truncated: only {len(frames)} frames are shown"]
        report = replace(report, frames=frames, places=places, warnings=warnings)
        data = msgspec.json.encode(report)
    if len(data) > limit_bytes:
        raise DecodeError("too_large", "the panic is too large to be told")
    return data


if __name__ == "__main__":
    sys.exit(main())
