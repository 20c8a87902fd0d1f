"""The log's writers, with places that hang: pipes that nobody reads."""

import fcntl
import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from esperd.daemon_log.log_files import LogWriter
from esperd.daemon_log.places import FilePlace, StreamPlace
from esperd.testing.small_disk import limited_file_size


@dataclass
class Place:
    """A pipe that lines go into, with as small a buffer as the kernel allows, and a logger that writes there."""

    reading: int
    stream: TextIO
    writer: LogWriter
    log: logging.Logger

    def read_to_end(self) -> list[str]:
        """What arrived; the writing end has to be closed first, or while this reads."""
        with os.fdopen(self.reading, encoding="utf-8", closefd=False) as file:
            return file.read().splitlines()


@pytest.fixture
def place() -> Iterator[Place]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        writer = LogWriter(StreamPlace(stream), "the pipe")
        log = logger_of(writer)
        yield Place(reading, stream, writer, log)
        # Whoever still writes into it finds it broken, and ends.
        os.close(reading)


def logger_of(writer: LogWriter) -> logging.Logger:
    log = logging.Logger("test")  # noqa: LOG001 - of its own, so that no other test has its handler
    log.addHandler(writer.entrance)
    writer.start()
    return log


def test_lines_are_written_in_order_and_all_of_them_at_the_end(place: Place) -> None:
    for number in range(20):
        place.log.warning("line %d", number)
    assert place.writer.finish(time.monotonic() + 10)
    place.stream.close()

    lines = place.read_to_end()
    assert [line.split("test ")[1] for line in lines] == [f"line {number}" for number in range(20)]
    assert lines[0].split()[2] == "WARNING"


def test_a_stack_is_written_behind_its_line(place: Place) -> None:
    try:
        int("a defect")
    except ValueError:
        place.log.exception("it failed")
    assert place.writer.finish(time.monotonic() + 10)
    place.stream.close()

    lines = place.read_to_end()
    assert lines[0].endswith("ERROR test it failed")
    assert lines[-1].startswith("ValueError: invalid literal")


def test_a_place_that_takes_nothing_holds_nobody_up_and_says_later_what_it_lacks(place: Place) -> None:
    began = time.monotonic()
    for number in range(5000):
        place.log.warning("line %d %s", number, "x" * 100)
    assert time.monotonic() - began < 5
    assert not place.writer.finish(time.monotonic() + 0.05)

    lines: list[str] = []
    with os.fdopen(place.reading, encoding="utf-8", closefd=False) as file:
        while "log lines dropped" not in (line := file.readline()):
            lines.append(line)
    numbers = [int(line.split("test line ")[1].split()[0]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert 1000 <= len(numbers) < 2000
    assert f"dropped count={5000 - len(numbers)}: the pipe took none" in line
    place.log.warning("as before")
    assert place.writer.finish(time.monotonic() + 10)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Nothing tells what a thread has written."""
    give_up_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)  # noqa: TID251 - a test of threads, without an event loop


def test_a_full_disk_shows_nobody_a_stack_and_the_file_says_later_what_it_lacks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.log"
    place = FilePlace(path)
    writer = LogWriter(place, "the log file")
    log = logger_of(writer)
    log.warning("before")
    wait_until(lambda: path.stat().st_size > 0)
    with limited_file_size(path.stat().st_size + 20):
        for number in range(10):
            log.warning("line %d", number)
        wait_until(lambda: place.refused == 10)
    log.warning("behind")
    wait_until(lambda: "dropped" in path.read_text("utf-8"))
    assert writer.finish(time.monotonic() + 10)

    said = [line.split(maxsplit=3)[3] for line in path.read_text("utf-8").splitlines()]
    assert said == [
        "test before",
        "test behind",
        "esperd.daemon_log.log_files log lines dropped count=10: the log file took none",
    ]
    assert capfd.readouterr() == ("", "")


def test_a_stream_that_takes_nothing_is_asked_for_each_line_once(capfd: pytest.CaptureFixture[str]) -> None:
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full:
        place = StreamPlace(full)
        writer = LogWriter(place, "the stream")
        log = logger_of(writer)
        for number in range(10):
            log.warning("line %d", number)
        assert writer.finish(time.monotonic() + 10)
        assert (place.takes, place.refused) == (False, 10)
    assert capfd.readouterr() == ("", "")


def test_what_tells_of_refused_lines_may_be_refused_itself(tmp_path: Path) -> None:
    path = tmp_path / "b.log"
    place = FilePlace(path)
    writer = LogWriter(place, "the log file")
    log = logger_of(writer)
    # Room for a short line, and not for the one that tells of the others.
    with limited_file_size(60):
        for _ in range(3):
            log.warning("x" * 100)
        log.warning("short")
        wait_until(lambda: place.refused == 4)
    log.warning("behind")
    wait_until(lambda: "dropped" in path.read_text("utf-8"))
    assert writer.finish(time.monotonic() + 10)

    said = [line.split(maxsplit=4)[4] for line in path.read_text("utf-8").splitlines()]
    assert said == ["short", "behind", "log lines dropped count=3: the log file took none"]
