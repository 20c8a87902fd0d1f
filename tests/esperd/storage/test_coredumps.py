import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from esper_protocol.records import CoredumpRecord, DecodeRecord
from esperd.storage.coredump_files import (
    CONTEXT_NAME,
    CORE_NAME,
    RAW_NAME,
    RECORD_NAME,
    REFUSED_NAME,
    CoredumpFiles,
    Extent,
    split_id,
)
from esperd.storage.coredumps import CoredumpStore, RetentionLimits
from esperd.storage.files import Access
from esperd.system.clock import rfc3339
from esperd.testing.coredumps import NOW, opened, record
from esperd.testing.dumps import base64_lines, container

BEGAN_NS = 1_780_272_000 * 10**9


def keep(files: CoredumpFiles, dump: CoredumpRecord, lines: list[bytes], decoded: list[bytes]) -> None:
    """Stores a dump as a capture does, as far as *lines*, and the decodings of them, go."""
    files.create(dump.id, msgspec.json.encode(dump), b"Guru Meditation Error\r\n")
    at = Extent()
    for line, piece in zip(lines, decoded, strict=True):
        files.append(dump.id, at, line, piece, b"")
        at = behind(at, line, piece)


def behind(at: Extent, line: bytes, piece: bytes) -> Extent:
    return Extent(at.raw_bytes + len(line), at.raw_lines + 1, at.decoded_bytes + len(piece))


CORE = container(300, 1)
LINES = base64_lines(CORE)
PIECES = [CORE[:24], *(CORE[at : at + 48] for at in range(24, len(CORE), 48))]


def test_a_capture_that_was_cut_is_closed_as_partial_with_what_is_on_disk(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1, capture="capturing", end_reason=None), LINES[:4], PIECES[:4])

    _, repaired = CoredumpStore(tmp_path, RetentionLimits(50, 10**9), Access()).read("b", NOW)

    assert repaired.captures_closed == ["b-1"]
    closed = opened(tmp_path).get("b-1")
    assert closed is not None
    assert (closed.capture, closed.end_reason, closed.ended_at) == ("partial", "daemon_stopped", NOW)
    assert (closed.raw_lines, closed.raw_bytes) == (4, sum(map(len, LINES[:4])))
    assert (closed.decoded_bytes, closed.expected_bytes, closed.chip) == (24 + 3 * 48, len(CORE), "esp32")
    assert (tmp_path / "b-1" / CORE_NAME).read_bytes() == b"".join(PIECES[:4])


def test_a_capture_that_was_cut_after_its_last_byte_is_captured(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1, capture="capturing", end_reason=None), LINES, PIECES)

    closed = opened(tmp_path).get("b-1")

    assert closed is not None
    assert (closed.capture, closed.end_reason, closed.checksum) == ("captured", "complete", "ok")


def test_a_decoding_that_a_kill_left_behind_its_text_is_made_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1, capture="capturing", end_reason=None), LINES, PIECES)
    (tmp_path / "b-1" / CORE_NAME).write_bytes(CORE[:77])

    opened(tmp_path)

    assert (tmp_path / "b-1" / CORE_NAME).read_bytes() == CORE


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, sum(map(len, LINES))))
def test_wherever_the_text_was_cut_its_whole_groups_are_decoded(
    size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    store = opened(folder)
    keep(store.files, record(1, capture="capturing", end_reason=None), [], [])
    (folder / "b-1" / RAW_NAME).write_bytes(b"".join(LINES)[:size])

    closed = opened(folder).get("b-1")

    assert closed is not None
    decoded = (folder / "b-1" / CORE_NAME).read_bytes()
    assert CORE.startswith(decoded)
    assert len(decoded) >= size * 3 // 4 - 48
    assert (closed.capture == "captured") == (decoded == CORE)


def test_leftovers_of_a_kill_go_and_their_number_is_told(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1), [], [])
    (tmp_path / "b-1" / "record.json.part").write_bytes(b"{")
    (tmp_path / "b-1" / "core.bin.part").write_bytes(b"")
    (tmp_path / "b-2.removed").mkdir()
    (tmp_path / "b-2.removed" / "core.bin").write_bytes(b"half")

    _, repaired = CoredumpStore(tmp_path, RetentionLimits(50, 10**9), Access()).read("b", NOW)

    assert repaired.temporary_files_removed == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b-1", "b.last"]


def test_decodes_that_ran_are_queued_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1, decode=DecodeRecord(state="running")), [], [])
    keep(store.files, record(2, decode=DecodeRecord(state="done")), [], [])

    _, repaired = CoredumpStore(tmp_path, RetentionLimits(50, 10**9), Access()).read("b", NOW)

    assert repaired.decodes_queued == ["b-1"]
    assert [each.decode.state for each in opened(tmp_path).records()] == ["queued", "done"]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_record_neither_hides_a_dump_nor_stops_the_start(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    store = opened(folder)
    keep(store.files, record(1), LINES, PIECES)
    path = folder / "b-1" / RECORD_NAME
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        bit = data.draw(st.integers(0, len(content) * 8 - 1))
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)

    (found,) = opened(folder).records("b")

    assert (found.id, found.board) == ("b-1", "b")
    assert (folder / "b-1" / CORE_NAME).read_bytes() == CORE
    assert CoredumpFiles(folder, Access()).read_record(folder / "b-1") == found


def test_a_record_that_could_not_be_read_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1), LINES, PIECES)
    (tmp_path / "b-1" / RECORD_NAME).write_bytes(b'{"id": "b-1", "from": "the future"}')

    found = opened(tmp_path).get("b-1")

    assert found is not None
    assert found.note is not None
    assert (found.capture, found.checksum) == ("captured", "ok")
    assert b"the future" in (tmp_path / "b-1" / "record.json.damaged").read_bytes()


def test_a_record_that_names_another_dump_is_not_believed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1), LINES, PIECES)
    (tmp_path / "b-1" / RECORD_NAME).write_bytes(msgspec.json.encode(record(1, id="../../etc", board="..")))

    assert [each.id for each in opened(tmp_path).records()] == ["b-1"]


def test_dumps_of_other_boards_are_neither_shown_nor_touched(tmp_path: Path) -> None:
    store = opened(tmp_path, "b", "other", "b-2")
    keep(store.files, record(1, "other", capture="capturing", end_reason=None), LINES[:2], PIECES[:2])
    keep(store.files, record(1, "b-2"), LINES, PIECES)
    (tmp_path / "other-1" / "core.bin.part").write_bytes(b"")
    (tmp_path / "other-2.removed").mkdir()
    (tmp_path / "notes").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    store = opened(tmp_path, "b")

    assert store.records() == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (tmp_path / "other-2.removed").exists()
    assert store.next_number("b") == 1


# Numbers --------------------------------------------------------------------------------------------------


def test_a_number_is_never_given_twice_whatever_is_removed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.next_number("b") == 1
    for number in (1, 2, 3):
        keep(store.files, record(number), [], [])
    for number in (3, 1, 2):
        store.files.remove(f"b-{number}")
        assert opened(tmp_path).next_number("b") == 4


def test_without_its_file_the_highest_stored_number_counts(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(8), [], [])
    for content in (b"", b"seven\n", b"7\n"):
        (tmp_path / "b.last").write_bytes(content)
        assert opened(tmp_path).next_number("b") == 9


def test_a_removal_that_was_cut_keeps_its_number(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (tmp_path / "b-5.removed").mkdir()

    store = opened(tmp_path)

    assert store.next_number("b") == 6


def test_ids_are_split_at_the_last_dash() -> None:
    assert split_id("usb-1-17") == ("usb-1", 17)
    assert [split_id(text) for text in ("b", "b-", "-1", "b-x", "b-1.removed", "b-²")] == [None] * 6


# Writing --------------------------------------------------------------------------------------------------


def test_a_part_that_the_disk_refused_half_way_is_written_once_and_whole_by_the_next_try(tmp_path: Path) -> None:
    files = opened(tmp_path).files
    keep(files, record(1), LINES[:2], PIECES[:2])
    core, at = tmp_path / "b-1" / CORE_NAME, behind(behind(Extent(), LINES[0], PIECES[0]), LINES[1], PIECES[1])
    core.rename(core.with_name("away"))
    core.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="Is a directory"):
            files.append("b-1", at, LINES[2], PIECES[2], b"")
        assert (tmp_path / "b-1" / RAW_NAME).read_bytes() == b"".join(LINES[:2])
    core.rmdir()
    core.with_name("away").rename(core)
    # As after a try that could not even cut off what it left.
    core.write_bytes(b"".join(PIECES[:2]) + b"half")

    files.append("b-1", at, LINES[2], PIECES[2], b"")

    assert core.read_bytes() == b"".join(PIECES[:3])
    assert (tmp_path / "b-1" / RAW_NAME).read_bytes() == b"".join(LINES[:3])


def test_nothing_is_appended_behind_a_part_that_is_missing(tmp_path: Path) -> None:
    files = opened(tmp_path).files
    keep(files, record(1), LINES[:1], PIECES[:1])
    at = behind(behind(Extent(), LINES[0], PIECES[0]), LINES[1], PIECES[1])

    with pytest.raises(OSError, match="a part before it is missing"):
        files.append("b-1", at, LINES[2], PIECES[2], b"")

    assert (tmp_path / "b-1" / RAW_NAME).read_bytes() == LINES[0]
    assert (tmp_path / "b-1" / CORE_NAME).read_bytes() == PIECES[0]


def test_a_dump_that_is_created_twice_has_its_context_once(tmp_path: Path) -> None:
    files = opened(tmp_path).files
    for _ in range(2):
        keep(files, record(1), [], [])

    assert (tmp_path / "b-1" / CONTEXT_NAME).read_bytes() == b"Guru Meditation Error\r\n"


def test_the_next_start_says_of_a_record_that_the_disk_refused_that_the_disk_was_full(tmp_path: Path) -> None:
    files = opened(tmp_path).files
    keep(files, record(1, capture="capturing", end_reason=None), LINES[:4], PIECES[:4])
    refuse_record(files, tmp_path / "b-1")
    (tmp_path / "b-2").mkdir()
    refuse_record(files, tmp_path / "b-2")

    records = {each.id: each for each in opened(tmp_path).records()}

    for coredump_id, raw_bytes in (("b-1", sum(map(len, LINES[:4]))), ("b-2", 0)):
        found = records[coredump_id]
        assert (found.capture, found.end_reason, found.raw_bytes) == ("partial", "disk_full", raw_bytes)
        assert found.note is not None
        assert "when esperd ended" in found.note
        assert ("the disk still refused a part of it" in found.note) == bool(raw_bytes)
        assert ("all of its text, which is lost" in found.note) == (not raw_bytes)
        assert found.ended_at is None
        assert files.read_record(tmp_path / coredump_id) == found
        assert not (tmp_path / coredump_id / REFUSED_NAME).exists()


def test_of_a_dump_of_which_nothing_is_on_disk_the_next_start_says_what_it_knows_and_no_more(tmp_path: Path) -> None:
    files = opened(tmp_path).files
    folder = tmp_path / "b-1"
    folder.mkdir()
    refuse_record(files, folder)
    began = folder / REFUSED_NAME
    os.utime(began, ns=(BEGAN_NS, BEGAN_NS))
    # A try later, and what else is done in the folder, is not when it began.
    refuse_record(files, folder)

    found = opened(tmp_path).get("b-1")

    assert found is not None
    assert (found.generation, found.boot, found.first_seq, found.last_seq, found.ended_at) == (0, 0, 0, 0, None)
    assert found.started_at == rfc3339(BEGAN_NS)
    assert found.note is not None
    assert found.note.startswith("esperd ended before the disk took its record, so its session is not known; the disk")


def refuse_record(files: CoredumpFiles, folder: Path) -> None:
    (folder / "record.json.part").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        files.write_record(folder.name, b"{}")
    (folder / "record.json.part").rmdir()


@pytest.mark.parametrize("was_killed", [True, False])
def test_a_record_says_that_esperd_was_killed_while_the_dump_arrived(tmp_path: Path, was_killed: bool) -> None:
    keep(opened(tmp_path).files, record(1, capture="capturing", end_reason=None), LINES[:4], PIECES[:4])
    keep(opened(tmp_path, "x").files, record(2, capture="capturing", end_reason=None), LINES, PIECES)

    (cut, whole), _ = CoredumpStore(tmp_path, RetentionLimits(50, 10**9), Access()).read(
        "b", NOW, was_killed=was_killed
    )

    assert (cut.end_reason, cut.note) == (
        "daemon_stopped",
        "esperd was killed while it arrived" if was_killed else None,
    )
    assert (whole.end_reason, whole.note) == ("complete", None)


def test_a_folder_that_can_not_be_repaired_keeps_nobody_from_starting(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store.files, record(1, capture="capturing", end_reason=None), LINES, PIECES)
    # Where the new decoding is to be written there is a folder, which stands for a disk that takes nothing.
    (tmp_path / "b-1" / "core.bin.part").mkdir()

    found = opened(tmp_path).get("b-1")

    assert found is not None
    assert found.capture != "capturing"
    assert (tmp_path / "b-1" / CORE_NAME).read_bytes() == CORE
