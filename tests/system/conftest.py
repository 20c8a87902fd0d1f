"""A bench with real daemons, a board that the test plays, and the recorded transcripts."""

import contextlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import trio

from esperd.testing.daemon import Bench
from esperd.testing.small_disk import DiskNotMountedError, SmallDisk, mounted_small_disk
from esperd.testing.terminal import BoardTerminal
from esperd.testing.transcripts import Transcript, load_transcripts

# Whatever a test does to a daemon, none of these belongs into its log.
UNEXPECTED = ("Traceback", " CRITICAL ", "client failed", "board failed", "disk writer failed")


@pytest.fixture
async def bench(tmp_path: Path, nursery: trio.Nursery) -> AsyncGenerator[Bench]:
    bench = Bench(tmp_path, nursery)
    yield bench
    await bench.aclose()
    for daemon in bench.daemons:
        assert not [words for words in UNEXPECTED if words in daemon.text], daemon.text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with contextlib.ExitStack() as held:
        try:
            disk = held.enter_context(mounted_small_disk(tmp_path / "disk"))
        except DiskNotMountedError as error:
            pytest.skip(str(error))
        yield disk


@pytest.fixture
async def small_bench(small_disk: SmallDisk, tmp_path: Path, nursery: trio.Nursery) -> AsyncGenerator[Bench]:
    bench = Bench(tmp_path, nursery, small_disk.folder / "state")
    yield bench
    await bench.aclose()
    for daemon in bench.daemons:
        assert "Traceback" not in daemon.text


@pytest.fixture
def terminal() -> Iterator[BoardTerminal]:
    terminal = BoardTerminal()
    yield terminal
    terminal.hang_up()


@pytest.fixture(scope="session")
def transcripts() -> list[Transcript]:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder that holds transcripts/")
    return load_transcripts(Path(folder) / "transcripts")
