"""Decodes a file without a daemon: the decoder as a process of its own, under a deadline, killed with its children."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Final

import msgspec

from esperctl.errors import FailedError, TimedOutError

DEFAULT_TIMEOUT_S: Final = 60.0
_MEMORY_BYTES: Final = 1024**3
_MODULE: Final = "esperd.decode.worker"
_HTML_MODULE: Final = "esperd.decode.report_html"
_PASTED_MODULE: Final = "esperd.decode.pasted"


class Problem(msgspec.Struct, frozen=True):
    """Why there is no report."""

    code: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What the decoder answers; ``number`` of ``count`` is which dump of a file it is, ``line`` where that begins."""

    report: dict[str, object] | None = None
    text: str | None = None
    error: Problem | None = None
    number: int = 1
    count: int = 1
    line: int | None = None


def decode_file(request: dict[str, object], timeout_s: float) -> Answer:
    """Has the decoder of this installation answer *request*.

    Raises:
        FailedError: it failed.
        TimedOutError: no answer within *timeout_s*.
    """
    limits = {"memory_bytes": _MEMORY_BYTES, "cpu_s": int(timeout_s) + 1, "watch_stdin": True}
    line = msgspec.json.encode({**request, **limits}) + b"\n"
    # Not from the folder that the user is in: what lies there is no module of ours.
    environment = os.environ | {"PYTHONSAFEPATH": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
    )
    try:
        output, errors = _communicate(process, line, timeout_s)
    except subprocess.TimeoutExpired as error:
        raise TimedOutError(
            f"{request['dump']} was not decoded within {timeout_s:g} s", "give it more: --timeout S"
        ) from error
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return _read(output, errors, process.returncode)


def format_html(report: bytes) -> bytes:
    """A report's JSON as an HTML page.

    Raises:
        FailedError: it is no report of this release.
    """
    done = _run([_HTML_MODULE], report)
    if done.returncode:
        raise FailedError("the report can't be shown as HTML: it is of another release", "decode the dump anew")
    return done.stdout


def explain_text(text: bytes, elf_paths: list[str], stores: list[str]) -> str:
    """What the panics or addresses in *text* are, by ELF files, or by those in some stores.

    Raises:
        FailedError: nothing in it is known, or an ELF file is none.
        TimedOutError: it took too long.
    """
    elfs = [os.path.abspath(path) for path in elf_paths]  # noqa: PTH100 - pathlib costs
    done = _run([_PASTED_MODULE, *(f"--store={store}" for store in stores), "--", *elfs], text)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise FailedError(lines[-1] if lines else "the decoder failed without a word")
    return done.stdout.decode("utf-8", "backslashreplace")


def _run(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            input=data,
            capture_output=True,
            check=False,
            timeout=DEFAULT_TIMEOUT_S,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOutError(f"no answer within {DEFAULT_TIMEOUT_S:g} s") from error


def _communicate(process: subprocess.Popen[bytes], line: bytes, timeout_s: float) -> tuple[bytes, bytes]:
    if process.stdin is None:
        raise FailedError("the decoder has no standard input")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()
    # It stays open, because the decoder takes its end for ours; communicate() would close it.
    held, process.stdin = process.stdin, None
    with held:
        return process.communicate(timeout=timeout_s)


def _read(output: bytes, errors: bytes, code: int) -> Answer:
    try:
        return msgspec.json.decode(output, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = errors.decode("utf-8", "backslashreplace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise FailedError(f"the decoder {how}{': ' + said[-1] if said else ''}") from None
