"""The decoder process, ``python -m esperd.decode.worker``: a request on standard input, an answer on standard output.

It decodes what strangers wrote, so it may be killed at any moment, and takes no more memory, processor time and
priority than the request allows. Whatever happens, it answers with one JSON document or dies without a word; it prints
no traceback.
"""

import dataclasses
import os
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from esperd.decode.backends.backend import Backend, Decoded
from esperd.decode.backends.native import NativeBackend
from esperd.decode.dump import MAX_DUMP_BYTES, printed_dumps, read_dump
from esperd.decode.elf_choice import NoElfError, choose_by_sha256, choose_by_trying, usable_sha256
from esperd.decode.elf_store import known_in
from esperd.decode.errors import DecodeError, ElfMismatchError
from esperd.decode.image import CoreImage, read_image
from esperd.decode.problem import problem_of
from esperd.decode.request import (
    AUTO,
    BACKENDS,
    ESP_COREDUMP,
    NICENESS,
    DecodeAnswer,
    DecodeProblem,
    DecodeRequest,
    KnownElf,
)
from esperd.decode.stdin_watch import die_with_stdin
from esperd.system.regular_file import open_regular

_NATIVE: Final = NativeBackend()
# A request names the ELF files of a full store, which are some thousands at most.
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
# Base64 with line ends of the largest dump, and the log around it.
_MAX_FILE_BYTES: Final = 2 * MAX_DUMP_BYTES
# What a tool may write to a file: more than any report has.
_MAX_WRITTEN_BYTES: Final = 256 * 1024 * 1024


def main() -> int:
    """Answers one request; returns the exit code, which is 1 for an error."""
    try:
        request = msgspec.json.decode(sys.stdin.buffer.readline(_MAX_REQUEST_BYTES), type=DecodeRequest)
    except msgspec.DecodeError as error:
        answer = _failure("bad_request", f"the request can't be read: {error}")
    else:
        _confine(request)
        answer = _answer(request)
    sys.stdout.buffer.write(_encode(answer) + b"\n")
    sys.stdout.buffer.flush()
    return 0 if answer.error is None else 1


def _confine(request: DecodeRequest) -> None:
    if request.watch_stdin:
        die_with_stdin()
    # Added to a priority that is low already it would be lower still.
    os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))
    for kind, limit in (
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_CPU, request.cpu_s),
        (resource.RLIMIT_FSIZE, _MAX_WRITTEN_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _encode(answer: DecodeAnswer) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except (UnicodeEncodeError, OverflowError, RecursionError, MemoryError):
        return msgspec.json.encode(_failure("internal", "the report can't be written as JSON"))


def _failure(code: str, message: str) -> DecodeAnswer:
    return DecodeAnswer(error=DecodeProblem(code=code, message=message))


def _answer(request: DecodeRequest) -> DecodeAnswer:
    answer = DecodeAnswer()
    try:
        data, answer = _find(request)
        decoded = _decode(request, data)
    except Exception as error:  # noqa: BLE001 - the end of the process: a sentence instead of a traceback
        return msgspec.structs.replace(answer, error=_problem(error, request))
    return msgspec.structs.replace(answer, report=decoded.report, text=decoded.text)


def _problem(error: Exception, request: DecodeRequest) -> DecodeProblem:
    if isinstance(error, ElfMismatchError):
        return DecodeProblem(code=error.code, message=f"{error}; --force decodes it all the same")
    return problem_of(error, "decoder", request.dump)


def _find(request: DecodeRequest) -> tuple[bytes, DecodeAnswer]:
    """The dump that is asked for, and an answer that says which one it is."""
    path = Path(request.dump)
    with open_regular(path) as file:
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise DecodeError("too_large", f"{path} is larger than any core dump")
    printed = printed_dumps(data)
    count = max(len(printed), 1)
    number = count if request.number is None else request.number
    if not 1 <= number <= count:
        there = "is 1 core dump" if count == 1 else f"are {count} core dumps"
        raise DecodeError("bad_request", f"there {there} in it, and no number {number}")
    if not printed:
        return data, DecodeAnswer()
    chosen = printed[number - 1]
    return chosen.text, DecodeAnswer(number=number, count=count, line=chosen.line)


def _decode(request: DecodeRequest, data: bytes) -> Decoded:
    if request.backend not in BACKENDS:
        raise DecodeError("bad_request", f"there is no backend {request.backend!r}; known are {', '.join(BACKENDS)}")
    image = read_image(read_dump(data))
    elf, is_named_by_log = _choose(request, image, data)
    decoded = _decode_with(request, image, data, elf)
    if is_named_by_log and decoded.report.elf_match == "unknown":
        # The dump itself lost its note, but the log around it named this very program.
        return Decoded(dataclasses.replace(decoded.report, elf_match="sha256"), decoded.text)
    return decoded


def _decode_with(request: DecodeRequest, image: CoreImage, data: bytes, elf: Path | None) -> Decoded:
    if request.backend != AUTO:
        return _backend(request.backend).decode(data, elf, request)
    try:
        return _NATIVE.decode(data, elf, request)
    except DecodeError:
        raise
    except Exception:
        # Ours is at its end where another may not be; but only if that one is there at all.
        other = _backend(ESP_COREDUMP)
        if elf is None or other.unavailable(image.machine, request) is not None:
            raise
        return other.decode(data, elf, request)


def _backend(name: str) -> Backend:
    """The table of backends."""
    if name == ESP_COREDUMP:
        # What it imports takes a tenth of the time of one of our own decodes.
        from esperd.decode.backends.esp_coredump import EspCoredumpBackend  # noqa: PLC0415 - see above

        return EspCoredumpBackend()
    return _NATIVE


def _choose(request: DecodeRequest, image: CoreImage, data: bytes) -> tuple[Path | None, bool]:
    """The program to decode with, and whether it was the log, not the dump, that named it."""
    if request.elf is not None:
        return Path(request.elf), False
    elfs = [*request.elfs, *known_in(map(Path, request.elf_stores))]
    own, logged = usable_sha256(image.app_sha256), usable_sha256(request.app_sha256)
    try:
        if own or logged:
            return Path(choose_by_sha256(own or logged or "", elfs).path), own is None
        return Path(choose_by_trying(elfs, image.machine, lambda elf: _fits(elf, data, request)).path), False
    except NoElfError:
        if request.needs_elf:
            raise
        return None, False


def _fits(elf: KnownElf, data: bytes, request: DecodeRequest) -> bool:
    try:
        return _NATIVE.decode(data, Path(elf.path), request).report.elf_match != "mismatch"
    except DecodeError:
        return False


if __name__ == "__main__":
    sys.exit(main())
