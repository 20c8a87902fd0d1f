"""Paths that ELF files are taken from: folders and files, some of which are none, or do not answer."""

import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from esper_protocol.events import Failure
from esper_protocol.records import ElfRecord
from esperd.decode.decoding import Decoding
from esperd.decode.elf_places import find_elf_files
from esperd.decode.elf_store import ElfStore, sha256_of
from esperd.decode.elf_watch import ElfWatch
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.storage.files import Access
from esperd.testing.elf_builds import add_elf, build_elf, silent_file, unopened_terminal
from esperd.testing.jobs import Jobs
from esperd.testing.panic_jobs import Jobs as PanicJobs


class Watched:
    """A store, and a watch that feeds it."""

    def __init__(self, folder: Path) -> None:
        self.store = ElfStore(folder / "elfs", 1 << 30, Access())
        self.store.prepare()
        self.silent: list[Path] = []
        send, self._added = trio.open_memory_channel[ElfRecord](100)
        self.watch = ElfWatch(self.store, send.send_nowait, self.silent.append, trio.CapacityLimiter(1), 0.01, 0.2)

    async def next_name(self) -> str:
        with trio.fail_after(20):
            return (await self._added.receive()).name

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.store.records()]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)


# What is found --------------------------------------------------------------------------------------------


def test_elf_files_are_found_where_builds_put_them(tmp_path: Path) -> None:
    wanted = [
        build_elf(tmp_path / "build", 1),
        build_elf(tmp_path / "build" / "bootloader", 2, "bootloader.elf"),
        build_elf(tmp_path / ".pio" / "build" / "board", 3, "firmware.elf"),
    ]
    build_elf(tmp_path / "build" / "CMakeFiles" / "x", 4)
    build_elf(tmp_path / "a" / "b" / "c" / "d", 5)
    (tmp_path / "build" / "app.bin").touch()
    assert sorted(find_elf_files(tmp_path)) == sorted(wanted)


async def test_a_named_file_is_taken_once_even_if_it_was_written_just_now(watched: Watched, tmp_path: Path) -> None:
    named = build_elf(tmp_path / "named", 1, "named.elf")
    named.touch()
    with trio.fail_after(5):
        await watched.watch.run((named,))
    assert watched.names == ["named.elf"]


@pytest.mark.parametrize("is_named", [True, False])
async def test_what_there_was_no_room_for_is_taken_when_there_is(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, is_named: bool
) -> None:
    path = build_elf(tmp_path / "build", 1)
    watched.store.limit_bytes = 10
    nursery.start_soon(watched.watch.run, (path if is_named else path.parent,))
    await until(lambda: "ELF file not added" in caplog.text)
    watched.store.limit_bytes = 1 << 30
    assert await watched.next_name() == "app.elf"
    assert caplog.text.count("ELF file not added") == 1
    nursery.cancel_scope.cancel()


async def test_what_somebody_else_has_added_meanwhile_is_not_tried_again(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    path = build_elf(tmp_path / "build", 1)
    watched.store.limit_bytes = 10
    ended = trio.Event()

    async def watch() -> None:
        await watched.watch.run((path,))
        ended.set()

    nursery.start_soon(watch)
    await until(lambda: "ELF file not added" in caplog.text)
    add_elf(ElfStore(watched.store.directory, 1 << 30, Access()), path)
    with trio.fail_after(20):
        await ended.wait()


async def test_a_file_that_is_found_in_two_places_is_added_once(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = tuple(build_elf(tmp_path / str(place), 7) for place in range(4))
    with trio.fail_after(20):
        await watched.watch.run(paths)
    assert watched.names == ["app.elf"]
    assert len(list(watched.store.directory.iterdir())) == 2
    assert "not added" not in caplog.text


async def test_a_folder_is_watched_also_one_that_comes_later(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery
) -> None:
    folder = tmp_path / "build"
    first = sha256_of(build_elf(folder, 2))
    nursery.start_soon(watched.watch.run, (folder, tmp_path / "later"))
    assert await watched.next_name() == "app.elf"
    rebuilt = build_elf(folder, 3)
    assert await watched.next_name() == "app.elf"
    assert {record.sha256 for record in watched.store.records()} == {first, sha256_of(rebuilt)}
    build_elf(tmp_path / "later", 4, "later.elf")
    assert await watched.next_name() == "later.elf"


async def test_a_file_that_a_linker_writes_is_left_until_it_is_settled(watched: Watched, tmp_path: Path) -> None:
    path = build_elf(tmp_path / "build", 1)
    path.touch()
    with trio.move_on_after(0.3):
        await watched.watch.run((path.parent,))
    assert watched.names == []


async def test_a_path_that_can_not_be_looked_at_is_told_once_and_looked_at_again(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    # There is a file where the folder around it has to be.
    (tmp_path / "mount").touch()
    nursery.start_soon(watched.watch.run, (tmp_path / "mount" / "build", tmp_path / "good"))
    await until(lambda: "Not a directory" in caplog.text)
    build_elf(tmp_path / "good", 1, "good.elf")
    assert await watched.next_name() == "good.elf"
    (tmp_path / "mount").unlink()
    build_elf(tmp_path / "mount" / "build", 2)
    assert await watched.next_name() == "app.elf"
    assert caplog.text.count("Not a directory") == 1


# What is none ---------------------------------------------------------------------------------------------


async def test_fifos_and_devices_that_are_called_elf_are_not_opened(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery
) -> None:
    folder = tmp_path / "build"
    build_elf(folder, 1, "z.elf")
    (folder / "linked.elf").symlink_to(FIRMWARE_ELF)
    os.mkfifo(folder / "a.elf")
    (folder / "b.elf").symlink_to("nothing")
    (folder / "c.elf").mkdir()
    with unopened_terminal() as (master, device):
        (folder / "d.elf").symlink_to(device)
        nursery.start_soon(watched.watch.run, (folder, folder / "a.elf", folder / "d.elf"))
        assert {await watched.next_name(), await watched.next_name()} == {"linked.elf", "z.elf"}
        changed = select.poll()
        changed.register(master)
        assert not [events for _, events in changed.poll(0) if events & select.POLLHUP]


async def test_a_named_file_that_is_none_is_told(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "app.elf")
    with trio.fail_after(5):
        await watched.watch.run((tmp_path / "app.elf",))
    assert "it is no regular file" in caplog.text


async def test_a_name_that_is_no_utf8_is_stored_as_far_as_it_can_be_read(watched: Watched, tmp_path: Path) -> None:
    build_elf(tmp_path / "build", 1, os.fsdecode(b"caf\xe9.elf"))
    with trio.move_on_after(0.5):
        await watched.watch.run((tmp_path / "build",))
    assert watched.names == ["caf\\xe9.elf"]


async def test_an_error_of_esperd_costs_one_file_and_not_the_watch(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "build"
    # A record that is nested as no reader of JSON bears it.
    record = watched.store.directory / f"{sha256_of(build_elf(folder, 1, 'bad.elf'))}.json"
    record.write_bytes(b'{"x":' + b"[" * 100_000)
    nursery.start_soon(watched.watch.run, (folder,))
    await until(lambda: f"ELF file not added path={folder / 'bad.elf'}" in caplog.text)
    assert "RecursionError" in caplog.text
    record.unlink()
    build_elf(folder, 2, "good.elf")
    assert await watched.next_name() == "good.elf"


# What does not answer -------------------------------------------------------------------------------------


async def test_a_folder_that_does_not_answer_is_told_once_and_holds_up_no_other(
    watched: Watched, tmp_path: Path, nursery: trio.Nursery
) -> None:
    silent, good = tmp_path / "silent", tmp_path / "good"
    with silent_file(build_elf(silent, 1, "silent.elf")):
        nursery.start_soon(watched.watch.run, (silent, good))
        await until(lambda: watched.silent)
        build_elf(good, 2, "good.elf")
        assert await watched.next_name() == "good.elf"
        build_elf(good, 3, "rebuilt.elf")
        assert await watched.next_name() == "rebuilt.elf"
    assert await watched.next_name() == "silent.elf"
    assert watched.silent == [silent]


async def test_a_stop_leaves_behind_what_does_not_answer(watched: Watched, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    with silent_file(build_elf(silent, 1)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched.watch.run, (silent,))
            await until(lambda: watched.silent)
            stopped = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - stopped < 1
        # Another look at the same path waits for the thread that hangs: there is never a second one.
        with trio.move_on_after(0.5):
            await watched.watch.run((silent,))
        assert watched.silent == [silent, silent]
    assert not list(watched.store.directory.glob("*.part"))


async def test_all_boards_are_told_of_a_folder_that_does_not_answer(tmp_path: Path, nursery: trio.Nursery) -> None:
    jobs, panics = Jobs(tmp_path), PanicJobs(tmp_path)
    silent = build_elf(tmp_path / "silent", 1)
    decoding = Decoding(jobs.jobs, panics.jobs, jobs.elfs, (silent.parent,), trio.CapacityLimiter(1), 0.1)
    with silent_file(silent):
        nursery.start_soon(decoding.run)
        (failure,) = await jobs.wait_for(Failure)
        assert isinstance(failure, Failure)
        assert (failure.part, failure.error) == ("elf", f"{silent.parent}, of the ELF files, does not answer")
        nursery.cancel_scope.cancel()
