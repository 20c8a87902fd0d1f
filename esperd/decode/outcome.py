"""What became of a decode: from how its process ended, and what it answered, to a state and a sentence. Pure."""

import math
import signal
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from esper_protocol.records import DecodeState
from esperd.decode.process import ProcessLimits, ProcessResult
from esperd.decode.request import DecodeProblem

_STATES: Final[dict[str, DecodeState]] = {"no_elf": "no_elf", "ambiguous_elf": "ambiguous_elf"}


_NO_REPORT: Final = msgspec.Raw(b"null")


class _DecoderHead(msgspec.Struct, frozen=True):
    backend: str
    seconds: float


class ReportHead(msgspec.Struct, frozen=True):
    """What the daemon itself needs of a report; the rest goes to disk as it came, without being built in memory."""

    app_sha256: str | None = None
    elf_path: str | None = None
    elf_match: Literal["sha256", "forced", "mismatch", "unknown"] = "unknown"
    reason: str | None = None
    crashed_task: str | None = None
    decoder: _DecoderHead | None = None


class _Answer(msgspec.Struct, frozen=True):
    report: msgspec.Raw = _NO_REPORT
    text: str | None = None
    error: DecodeProblem | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``report_json`` and ``text`` are there when the state is ``done``, ``error`` otherwise."""

    state: DecodeState
    error: str | None = None
    app_sha256: str | None = None
    head: ReportHead | None = None
    report_json: bytes = b""
    text: str = ""


def outcome_of(result: ProcessResult, limits: ProcessLimits) -> Outcome:
    """What a decoder process came to."""
    match result.ending:
        case "unstarted":
            return _failed(f"the decoder can't be started: {_last_line(result.errors)}")
        case "timed_out":
            return Outcome("timed_out", f"no report within {limits.timeout_s:g} s")
        case "flooded":
            return _failed(f"the decoder said more than {limits.output_bytes} bytes, and was killed")
        case "exited":
            return _answered(result, limits)


def _answered(result: ProcessResult, limits: ProcessLimits) -> Outcome:
    try:
        answer = msgspec.json.decode(result.output, type=_Answer)
        head = msgspec.json.decode(answer.report, type=ReportHead | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _failed(crash_text(result, limits.cpu_s))
    if answer.error is not None:
        problem = answer.error
        return Outcome(_STATES.get(problem.code, "failed"), problem.message, problem.app_sha256)
    if head is None:
        return _failed("the decoder answered with neither a report nor an error")
    return Outcome("done", None, head.app_sha256, head, bytes(answer.report), answer.text or "")


def _failed(error: str) -> Outcome:
    return Outcome("failed", error)


def crash_text(result: ProcessResult, cpu_s: int | None) -> str:
    """Why a program that ended did not answer."""
    said = _last_line(result.errors)
    words = f": {said}" if said else ""
    if result.exit_code == -signal.SIGXCPU:
        return f"the decoder used more than {cpu_s} s of processor time"
    if result.exit_code == -signal.SIGKILL:
        return "the decoder was killed from outside, perhaps because the machine ran out of memory"
    if result.exit_code < 0:
        return f"the decoder crashed with {_signal_name(-result.exit_code)}{words}"
    if result.exit_code > 0:
        return f"the decoder ended with exit code {result.exit_code}{words}"
    return f"the decoder answered with something else than a report{words}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "backslashreplace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def processor_seconds(timeout_s: float) -> int:
    """As much processor time as one core has until the deadline: a second line of defence, should that ever fail."""
    return math.ceil(timeout_s) + 1
