"""One measurement: a consumer is started, a load is written to its ports, and what it cost is counted."""

import math
import statistics
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from benchmarks import processes
from benchmarks.consumers import Consumer, Running, Terminal, open_terminals
from benchmarks.corpus import Corpus
from benchmarks.journals import journal_bytes, lost_in_dumps, lost_in_journal
from benchmarks.streams import drain, read_some
from benchmarks.writer import Report

Metrics: TypeAlias = dict[str, float]

_MEGABYTE: Final = 1_000_000
_BITS_PER_BYTE: Final = 10
# When nothing came for so long, the rest is lost.
_QUIET_S: Final = 2.0
# The daemon's journal is written in batches; that belongs to the cost. It is over when it grew no more for so long.
_AFTERMATH_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """A corpus where the writer finds it."""

    corpus: Corpus
    data: Path
    tag_ends: Path


def save_corpus(corpus: Corpus, directory: Path, name: str) -> CorpusFiles:
    """Writes it for the writer."""
    files = CorpusFiles(corpus, directory / f"{name}.data", directory / f"{name}.tags")
    files.data.write_bytes(corpus.data)
    files.tag_ends.write_bytes(array("Q", corpus.tag_ends).tobytes())
    return files


@dataclass(frozen=True, slots=True)
class Load:
    """What is written: *size_bytes* into each port, at a baud rate, or (None) as fast as it is taken."""

    files: CorpusFiles
    size_bytes: int
    baud: int | None = None
    ports: int = 1

    def with_size(self, size_bytes: int) -> "Load":
        """The same with another size."""
        return Load(self.files, size_bytes, self.baud, self.ports)


def measure(consumer: Consumer, load: Load, directory: Path) -> Metrics:
    """Runs it once.

    Returns:
        ``cpu_ms_per_mb`` (of bytes written, all ports together), ``core_percent``, ``p50_ms`` and ``p99_ms`` of lines,
        ``lost_bytes`` and ``refused_bytes`` (the latter by the kernel, because the consumer was too slow),
        ``peak_mb``, ``late_ms`` (of the writer), ``seconds``.
    """
    with open_terminals(load.ports) as terminals, consumer(terminals, directory) as running:
        with tempfile.NamedTemporaryFile(dir=directory) as times:
            times.truncate(8 * len(load.files.corpus.tag_ends) * load.ports)
            cpu_before = processes.cpu_ns(running.pid)
            report = _write(load, terminals, Path(times.name), running)
            cpu_ns = processes.cpu_ns(running.pid) - cpu_before
            latencies = _latencies(load, running, Path(times.name))
        accepted = sum(port.accepted_bytes for port in report.ports)
        metrics = {
            "cpu_ms_per_mb": cpu_ns / 1e6 / (accepted / _MEGABYTE),
            "core_percent": cpu_ns / 1e9 / report.seconds * 100,
            "lost_bytes": float(_lost(running, report)),
            "refused_bytes": float(sum(port.refused_bytes for port in report.ports)),
            "peak_mb": processes.peak_memory_mb(running.pid),
            "late_ms": report.late_ms,
            "seconds": report.seconds,
        }
        if latencies:
            metrics["p50_ms"] = statistics.median(latencies) * 1000
            metrics["p99_ms"] = latencies[max(math.ceil(len(latencies) * 0.99) - 1, 0)] * 1000
        if running.state_dir is not None:
            boards = [f"board{port}" for port in range(load.ports)]
            written = [(port.accepted_bytes, port.crc) for port in report.ports]
            metrics["lost_bytes"] += lost_in_journal(running.state_dir, dict(zip(boards, written, strict=True)))
            if load.files.corpus.dumps:
                metrics["lost_dumps"] = float(lost_in_dumps(running.state_dir))
        return metrics


@contextmanager
def writing(load: Load, terminals: Sequence[Terminal], times: Path) -> Generator["ReportReceiver"]:
    """Lets the writer write; it is over when the receiver has its report."""
    masters = [str(terminal.master) for terminal in terminals]
    command = [sys.executable, "-m", "benchmarks.writer"]
    for master in masters:
        command += ["--descriptor", master]
    command += ["--corpus", str(load.files.data), "--tag-ends", str(load.files.tag_ends), "--times", str(times)]
    command += ["--size-bytes", str(load.size_bytes)]
    if load.baud is not None:
        command += ["--bytes-per-s", str(load.baud / _BITS_PER_BYTE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[terminal.master for terminal in terminals]
    ) as writer:
        if writer.stdin is None or writer.stdout is None:
            raise RuntimeError("pipes were asked for")
        report = ReportReceiver(writer.stdout.fileno())
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
        try:
            yield report
        finally:
            # One that is not done would wait for ever for a consumer that reads no more.
            if report.report is None:
                writer.kill()


def _write(load: Load, terminals: Sequence[Terminal], times: Path, running: Running) -> Report:
    """Lets the writer write and reads all outputs until everything is there, or nothing comes any more."""
    with writing(load, terminals, times) as report:
        receivers = [*running.receivers, report]
        drain(receivers, lambda: report.report is not None and _is_complete(running, report.report), _QUIET_S)
    if report.report is None:
        raise RuntimeError("the writer was not done: the consumer stopped reading")
    if running.state_dir is not None:
        size = -1
        while size != (size := journal_bytes(running.state_dir)):
            drain(running.receivers, lambda: False, _AFTERMATH_S)
    return report.report


class ReportReceiver:
    """The writer's last word."""

    def __init__(self, descriptor: int) -> None:
        self.report: Report | None = None
        self._descriptor = descriptor
        self._text = b""

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> bool:
        data = read_some(self._descriptor)
        self._text += data
        if self._text.endswith(b"\n"):
            self.report = msgspec.json.decode(self._text, type=Report)
        return bool(data)

    def restart(self) -> None:
        self._text = b""


def _is_complete(running: Running, report: Report) -> bool:
    if not all(stream.size_bytes >= report.ports[port].accepted_bytes for port, stream in running.exact):
        return False
    if not running.exact and not all(len(stream.arrivals) >= report.tags for _, stream in running.tagged):
        return False
    return all(stream.size_bytes >= running.same[0].size_bytes for stream in running.same)


def _lost(running: Running, report: Report) -> int:
    """Bytes that a viewer lacks, summed over viewers; at least 1 for one whose bytes differ."""
    lost = 0
    for port, stream in running.exact:
        written = report.ports[port]
        if (stream.size_bytes, stream.crc) != (written.accepted_bytes, written.crc):
            lost += max(written.accepted_bytes - stream.size_bytes, 1)
    for stream in running.same:
        if (stream.size_bytes, stream.crc) != (running.same[0].size_bytes, running.same[0].crc):
            lost += max(running.same[0].size_bytes - stream.size_bytes, 1)
    if not running.exact:
        # Not transparent for bytes: judged by its lines.
        line_bytes = max(report.ports[0].accepted_bytes // max(report.tags, 1), 1)
        lost += sum(max(report.tags - len(stream.arrivals), 0) * line_bytes for _, stream in running.tagged)
    return lost


def _latencies(load: Load, running: Running, times: Path) -> list[float]:
    """Of all tagged lines that arrived (seconds), sorted."""
    if load.baud is None:
        return []
    written: array[float] = array("d", times.read_bytes())
    tags = len(load.files.corpus.tag_ends)
    return sorted(
        arrived - written[port * tags + tag]
        for port, stream in running.tagged
        for tag, arrived in stream.arrivals.items()
        if written[port * tags + tag]
    )
