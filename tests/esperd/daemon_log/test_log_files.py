"""The log's writers, with places that hang: pipes that nobody reads."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from esperd.daemon_log.log_files import LogWriter


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
        writer = LogWriter(logging.StreamHandler(stream), "the pipe")
        log = logging.Logger("test")  # noqa: LOG001 - of its own, so that no other test has its handler
        log.addHandler(writer.entrance)
        writer.start()
        yield Place(reading, stream, writer, log)
        # Whoever still writes into it finds it broken, and ends.
        os.close(reading)


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
