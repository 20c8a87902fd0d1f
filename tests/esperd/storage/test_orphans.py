from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from esper_protocol.records import CoredumpRecord
from esperd.storage.board_lock import hold_board
from esperd.storage.coredump_files import CoredumpFiles, Extent
from esperd.storage.files import Access
from esperd.storage.orphans import Orphans
from esperd.testing.dumps import base64_lines, container


@pytest.fixture
def files(tmp_path: Path) -> CoredumpFiles:
    return CoredumpFiles(tmp_path / "coredumps", Access())


@pytest.fixture
def orphans(tmp_path: Path, files: CoredumpFiles) -> Orphans:
    return Orphans(tmp_path, files, {"own"})


def store(files: CoredumpFiles, coredump_id: str, *, capturing: bool = False) -> None:
    board = coredump_id.rpartition("-")[0]
    record = CoredumpRecord(
        id=coredump_id,
        board=board,
        generation=1,
        boot=1,
        started_at="2026-01-01T00:00:00.000000Z",
        capture="capturing" if capturing else "captured",
        raw_path="",
        core_path="",
        first_seq=1,
        last_seq=2,
    )
    files.create(coredump_id, msgspec.json.encode(record), b"")


@asynccontextmanager
async def other_daemon(tmp_path: Path, board: str) -> AsyncGenerator[None]:
    async with hold_board(tmp_path, board, Access()):
        yield


def ids(records: list[CoredumpRecord]) -> list[str]:
    return [record.id for record in records]


def test_without_any_dump_there_is_none(orphans: Orphans) -> None:
    assert orphans.records() == []
    assert orphans.get("b-1") is None


async def test_dumps_are_orphans_as_long_as_no_daemon_runs_their_board(
    tmp_path: Path, files: CoredumpFiles, orphans: Orphans
) -> None:
    for coredump_id in ("gone-1", "gone-2", "run-1", "own-1"):
        store(files, coredump_id)

    async with other_daemon(tmp_path, "run"):
        assert ids(orphans.records()) == ["gone-1", "gone-2"]
        assert ids(orphans.records("gone")) == ["gone-1", "gone-2"]
        assert orphans.records("run") == orphans.records("own") == []
        assert orphans.get("run-1") is None
    assert ids(orphans.records()) == ["gone-1", "gone-2", "run-1"]


async def test_what_another_daemon_owns_is_neither_changed_nor_removed(
    tmp_path: Path, files: CoredumpFiles, orphans: Orphans
) -> None:
    store(files, "run-1")
    store(files, "own-1")

    async with other_daemon(tmp_path, "run"):
        assert not orphans.remove("run-1")
        assert not orphans.set_pinned("run-1", pinned=True)
    # This daemon's own are in its store, with their records in memory.
    assert not orphans.remove("own-1")
    assert (files.folder("run-1") / "record.json").exists()
    assert (files.folder("own-1") / "record.json").exists()


def test_an_orphan_can_be_pinned_and_removed_and_its_number_is_not_given_again(
    files: CoredumpFiles, orphans: Orphans
) -> None:
    store(files, "gone-4")

    assert orphans.set_pinned("gone-4", pinned=True)
    pinned = orphans.get("gone-4")
    assert pinned is not None
    assert pinned.pinned
    assert orphans.remove("gone-4")
    assert orphans.get("gone-4") is None
    assert not orphans.remove("gone-4")
    assert files.highest_number("gone") == 4


def test_an_orphan_that_nobody_goes_on_capturing_is_shown_as_partial_and_left_as_it_is(
    files: CoredumpFiles, orphans: Orphans
) -> None:
    store(files, "gone-1", capturing=True)
    files.append("gone-1", Extent(), base64_lines(container(500, 1))[0], container(500, 1)[:24], b"")
    before = (files.folder("gone-1") / "record.json").read_bytes()

    (record,) = orphans.records()

    assert (record.capture, record.end_reason, record.raw_lines) == ("partial", "daemon_stopped", 1)
    assert (files.folder("gone-1") / "record.json").read_bytes() == before


def test_ids_that_lead_elsewhere_find_nothing(tmp_path: Path, files: CoredumpFiles, orphans: Orphans) -> None:
    store(files, "gone-1")
    (tmp_path / "secret-1").mkdir()
    files.folder("link-1").symlink_to(tmp_path / "secret-1")

    for coredump_id in (
        "../secret-1",
        "gone-1/../../secret-1",
        str(tmp_path / "secret-1"),
        "link-1",
        "",
        ".",
        "gone-01",
    ):
        assert orphans.get(coredump_id) is None
        assert not orphans.remove(coredump_id)
    assert (tmp_path / "secret-1").exists()
    assert ids(orphans.records()) == ["gone-1"]
