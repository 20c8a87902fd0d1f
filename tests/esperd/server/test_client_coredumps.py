"""What a client asks about stored core dumps, with boards that are real but for their port."""

import os
import pwd
from pathlib import Path

import msgspec
import pytest
import trio

from esper_protocol import messages
from esper_protocol.events import Note
from esper_protocol.records import CoredumpRecord
from esperd.server.registry import Registry
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.storage.board_lock import hold_board
from esperd.storage.coredump_files import Extent
from esperd.storage.files import Access
from esperd.testing.boards import Connect, newest
from esperd.testing.elf_builds import add_elf
from esperd.testing.viewer import RefusedError, Viewer


def store_dump(registry: Registry, coredump_id: str, **changes: object) -> None:
    record = store_record(registry, coredump_id, **changes)
    registry.store.files.create(coredump_id, msgspec.json.encode(record), b"")
    registry.store.files.append(coredump_id, Extent(), b"AAAA\r\n" * 100_000, b"abc", b"")


def store_record(registry: Registry, coredump_id: str, **changes: object) -> CoredumpRecord:
    board = coredump_id.rpartition("-")[0]
    fields: dict[str, object] = {
        "id": coredump_id,
        "board": board,
        "generation": 1,
        "boot": 1,
        "started_at": f"2026-01-01T00:00:{coredump_id.rpartition('-')[2]:0>2}Z",
        "capture": "captured",
        "raw_path": "",
        "core_path": "",
        "first_seq": 1,
        "last_seq": 2,
    }
    record = msgspec.convert({**fields, **changes}, CoredumpRecord)
    if board in registry.boards:
        registry.store.add(record)
    return record


async def listed(viewer: Viewer, board: str | None = None) -> list[str]:
    answer = await viewer.request(messages.ListCoredumps(board))
    assert isinstance(answer, messages.Coredumps)
    return [record.id for record in answer.coredumps]


async def read_file(viewer: Viewer, coredump_id: str, name: str) -> bytes:
    content = b""
    while True:
        part = await viewer.request(messages.ReadCoredumpFile(coredump_id, name, len(content)))
        assert isinstance(part, messages.FileData)
        content += part.data
        if part.last:
            return content


async def test_dumps_that_nobody_owns_are_looked_after_and_those_of_another_daemon_are_not(
    registry: Registry, connect: Connect, tmp_path: Path
) -> None:
    for coredump_id in ("b-2", "gone-1", "run-3"):
        store_dump(registry, coredump_id)
    async with connect() as viewer, hold_board(tmp_path, "run", Access()):
        assert await listed(viewer) == ["gone-1", "b-2"]
        assert await listed(viewer, "gone") == ["gone-1"]
        assert await listed(viewer, "c") == []
        with pytest.raises(RefusedError, match="there is no board run"):
            await listed(viewer, "run")
        for body in (
            messages.CoredumpInfo("run-3"),
            messages.ReadCoredumpFile("run-3", "core.bin", 0),
            messages.PinCoredump("run-3"),
            messages.RemoveCoredump("run-3", force=True),
        ):
            with pytest.raises(RefusedError, match="there is no core dump run-3"):
                await viewer.request(body)
        assert registry.store.folder("run-3").is_dir()


@pytest.mark.parametrize("coredump_id", ["b-1", "gone-1"])
async def test_a_dump_is_read_pinned_and_removed_whoever_owns_it(
    registry: Registry, connect: Connect, coredump_id: str
) -> None:
    store_dump(registry, coredump_id)
    async with connect() as viewer:
        details = await viewer.request(messages.CoredumpInfo(coredump_id))
        assert isinstance(details, messages.CoredumpDetails)
        assert {file.name for file in details.files} == {"core.b64", "core.bin", "panic.txt", "record.json"}
        assert await read_file(viewer, coredump_id, "core.b64") == b"AAAA\r\n" * 100_000
        await viewer.request(messages.PinCoredump(coredump_id))
        with pytest.raises(RefusedError, match="is pinned"):
            await viewer.request(messages.RemoveCoredump(coredump_id))
        await viewer.request(messages.RemoveCoredump(coredump_id, force=True))
        assert await listed(viewer) == []
    # An own one is removed by the disk writer.
    is_done = trio.Event()
    registry.board("b").parts.disk.submit(lambda: None, lambda _: None, is_done.set)
    with trio.fail_after(10):
        await is_done.wait()
    assert not registry.store.folder(coredump_id).exists()


async def test_a_dump_that_arrives_is_not_removed(registry: Registry, connect: Connect) -> None:
    store_dump(registry, "b-1", capture="capturing")
    async with connect() as viewer:
        with pytest.raises(RefusedError, match="capturing: core dump b-1 is arriving"):
            await viewer.request(messages.RemoveCoredump("b-1", force=True))


async def test_only_the_files_of_a_dump_are_read(registry: Registry, connect: Connect, tmp_path: Path) -> None:
    store_dump(registry, "b-1")
    (tmp_path / "secret").write_bytes(b"secret")
    (registry.store.folder("b-1") / "link").symlink_to(tmp_path / "secret")
    async with connect() as viewer:
        for name in ("../../secret", "link", str(tmp_path / "secret"), "", ".", "core.bin\0"):
            with pytest.raises(RefusedError, match="has no file"):
                await viewer.request(messages.ReadCoredumpFile("b-1", name, 0))
        for coredump_id in ("../b-1", "b-01", "", "b"):
            with pytest.raises(RefusedError, match="there is no core dump"):
                await viewer.request(messages.CoredumpInfo(coredump_id))
        for offset in (-5, 2**63, 2**64 - 1):
            part = await viewer.request(messages.ReadCoredumpFile("b-1", "core.bin", offset))
            assert isinstance(part, messages.FileData)
            assert part.last


async def test_prune_applies_retention_to_each_board_that_no_other_daemon_runs(
    registry: Registry, connect: Connect, tmp_path: Path
) -> None:
    for coredump_id in ("b-1", "b-2", "c-1", "gone-1", "gone-2", "run-1"):
        store_dump(registry, coredump_id)
    async with connect() as viewer, hold_board(tmp_path, "run", Access()):
        with pytest.raises(RefusedError, match="can't be negative"):
            await viewer.request(messages.PruneCoredumps(keep=-1))
        assert await viewer.request(messages.PruneCoredumps()) == messages.Removed([])
        assert await viewer.request(messages.PruneCoredumps("b", keep=1)) == messages.Removed(["b-1"])
        assert await viewer.request(messages.PruneCoredumps("gone", keep=1)) == messages.Removed(["gone-1"])
        await viewer.request(messages.PinCoredump("gone-2"))
        assert await viewer.request(messages.PruneCoredumps(keep=0)) == messages.Removed(["b-2", "c-1"])
        await viewer.request(messages.PinCoredump("gone-2", pinned=False))
        assert await viewer.request(messages.PruneCoredumps(keep=0)) == messages.Removed(["gone-2"])
        assert await listed(viewer) == []
        with pytest.raises(RefusedError, match="there is no board run"):
            await viewer.request(messages.PruneCoredumps("run"))


async def test_a_list_that_is_too_long_for_a_message_comes_in_parts(registry: Registry, connect: Connect) -> None:
    note = "n" * 3000
    for number in range(1, 201):
        store_record(registry, f"b-{number}", note=note)
    for number in range(1, 201):
        store_record(registry, f"c-{number}", note=note)
    async with connect() as viewer:
        ids: list[str] = []
        sizes: list[int] = []
        after: str | None = None
        while True:
            part = await viewer.request(messages.ListCoredumps(after=after))
            assert isinstance(part, messages.Coredumps)
            ids += [record.id for record in part.coredumps]
            sizes.append(len(part.coredumps))
            after = part.next
            if after is None:
                break
            # What was named may be gone by the time somebody asks on.
            registry.store.forget(part.coredumps[-1].id)

        assert len(set(ids)) == len(ids) == 400
        assert len(sizes) == 3
        for wrong in ("", "b-1", "[1, 2, 3]", "[]"):
            with pytest.raises(RefusedError, match="bad_request: `after` is not what"):
                await viewer.request(messages.ListCoredumps(after=wrong))


async def test_what_a_client_deletes_is_journaled_with_who_did_it(registry: Registry, connect: Connect) -> None:
    for coredump_id in ("b-1", "gone-1", "gone-2"):
        store_dump(registry, coredump_id)
    elf = add_elf(registry.decoding.elfs, FIRMWARE_ELF)
    async with connect() as viewer:
        await viewer.request(messages.RemoveCoredump("b-1"))
        await viewer.request(messages.RemoveCoredump("gone-1"))
        await viewer.request(messages.PruneCoredumps("gone", keep=0))
        await viewer.request(messages.RemoveElf(elf.sha256[:8]))

    who = f"{pwd.getpwuid(os.geteuid()).pw_name} (pid {os.getpid()})"
    # What is no board's of this daemon is told on all of them.
    everywhere = [
        Note("deleted core dump gone-1", who),
        Note("deleted core dump gone-2", who),
        Note(f"deleted ELF file {elf.sha256} (greenhouse.elf)", who),
    ]
    assert notes(registry, "b") == [Note("deleted core dump b-1", who), *everywhere]
    assert notes(registry, "c") == everywhere


async def test_what_was_not_deleted_is_not_journaled(registry: Registry, connect: Connect) -> None:
    store_dump(registry, "gone-1", pinned=True)
    async with connect() as viewer:
        for body in (messages.RemoveCoredump("gone-1"), messages.RemoveCoredump("gone-2"), messages.RemoveElf("0000")):
            with pytest.raises(RefusedError):
                await viewer.request(body)
    assert notes(registry, "b") == []


def notes(registry: Registry, board: str) -> list[Note]:
    return [event.body for event in newest(registry, board) if isinstance(event.body, Note)]
