"""ELF files: stored once each, under a limit, found by the beginning of their hash."""

import os
from pathlib import Path
from typing import Final

import pytest

from esperd.decode.elf_choice import NoElfError, choose_by_sha256, choose_by_trying, usable_sha256
from esperd.decode.elf_store import ElfStore, sha256_of
from esperd.decode.elf_upload import copy_file
from esperd.decode.program import ProgramError
from esperd.decode.request import KnownElf
from esperd.errors import CommandError
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.storage.files import Access
from esperd.testing.elf_builds import add_elf, build_elf

SIZE: Final = FIRMWARE_ELF.stat().st_size


@pytest.fixture
def store(tmp_path: Path) -> ElfStore:
    store = ElfStore(tmp_path / "elfs", 10 * SIZE, Access())
    store.prepare()
    return store


def names(store: ElfStore) -> list[str]:
    return [Path(record.path).name for record in store.records()]


# Adding ---------------------------------------------------------------------------------------------------


def test_a_file_is_stored_under_its_hash_with_where_it_came_from(store: ElfStore) -> None:
    record = add_elf(store, FIRMWARE_ELF)
    assert record.sha256 == sha256_of(FIRMWARE_ELF)
    assert (record.name, record.path, record.size_bytes) == ("greenhouse.elf", str(FIRMWARE_ELF), SIZE)
    assert (record.machine, record.used_at) == ("riscv", None)
    assert store.path(record.sha256).read_bytes() == FIRMWARE_ELF.read_bytes()
    assert store.path(record.sha256).stat().st_mode & 0o777 == 0o600


def test_the_same_file_is_stored_once(store: ElfStore, tmp_path: Path) -> None:
    add_elf(store, build_elf(tmp_path / "a", 1))
    assert copy_file(store, build_elf(tmp_path / "b", 1), lambda: None) is None
    assert len(store.records()) == 1
    assert len(list(store.directory.iterdir())) == 2


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"#!/bin/sh\n", id="no ELF"),
        pytest.param(FIRMWARE_ELF.read_bytes()[:5000], id="cut"),
        pytest.param(Path("/bin/true").read_bytes(), id="for this machine"),
        pytest.param(FIRMWARE_ELF.read_bytes()[:16] + b"\x01\x00" + FIRMWARE_ELF.read_bytes()[18:], id="not linked"),
    ],
)
def test_what_is_no_program_for_an_esp_chip_is_not_stored(store: ElfStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.elf"
    path.write_bytes(content)
    with pytest.raises(ProgramError):
        add_elf(store, path)
    assert list(store.directory.iterdir()) == []


def test_the_oldest_that_nobody_uses_goes_first(tmp_path: Path) -> None:
    store = ElfStore(tmp_path / "elfs", 3 * SIZE + 10, Access())
    for number in range(3):
        add_elf(store, build_elf(tmp_path / str(number), number, f"{number}.elf"))
    first = store.records()[0]
    store.note_use(store.path(first.sha256))
    add_elf(store, build_elf(tmp_path / "3", 3, "3.elf"))
    assert names(store) == ["0.elf", "2.elf", "3.elf"]


def test_a_file_that_is_larger_than_the_store_is_refused(tmp_path: Path) -> None:
    store = ElfStore(tmp_path / "elfs", SIZE - 1, Access())
    with pytest.raises(CommandError) as refused:
        add_elf(store, FIRMWARE_ELF)
    assert refused.value.code == "limit"
    assert store.records() == []


def test_use_is_remembered_and_only_of_stored_files(store: ElfStore, tmp_path: Path) -> None:
    record = add_elf(store, FIRMWARE_ELF)
    before = FIRMWARE_ELF.stat().st_mtime_ns
    store.note_use(FIRMWARE_ELF)
    store.note_use(store.path(record.sha256))
    assert FIRMWARE_ELF.stat().st_mtime_ns == before
    assert store.records()[0].used_at is not None


# Finding --------------------------------------------------------------------------------------------------


def test_a_file_is_found_and_removed_by_its_first_digits(store: ElfStore, tmp_path: Path) -> None:
    records = [add_elf(store, build_elf(tmp_path / str(number), number)) for number in range(2)]
    first = records[0]
    assert store.find(first.sha256[:8].upper()).sha256 == first.sha256
    for prefix, code in (
        ("123", "bad_request"),
        ("", "bad_request"),
        ("0" * 8, "unknown_elf"),
        ("../x", "unknown_elf"),
    ):
        with pytest.raises(CommandError) as refused:
            store.find(prefix)
        assert refused.value.code == code
    store.remove(first.sha256)
    assert len(store.records()) == 1
    assert len(list(store.directory.iterdir())) == 2


def test_a_damaged_record_is_as_none_and_adding_again_repairs_it(store: ElfStore) -> None:
    record = add_elf(store, FIRMWARE_ELF)
    (store.directory / f"{record.sha256}.json").write_bytes(b"{")
    assert store.records() == []
    add_elf(store, FIRMWARE_ELF)
    assert len(store.records()) == 1


def test_a_file_that_a_power_cut_left_empty_is_as_none_and_adding_again_repairs_it(store: ElfStore) -> None:
    record = add_elf(store, FIRMWARE_ELF)
    store.path(record.sha256).write_bytes(b"")
    assert (store.records(), store.known(), store.get(record.sha256)) == ([], [], None)
    add_elf(store, FIRMWARE_ELF)
    assert store.path(record.sha256).read_bytes() == FIRMWARE_ELF.read_bytes()
    assert store.known()


def test_the_content_of_a_file_is_on_disk_before_the_record_that_vouches_for_it(
    store: ElfStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", note)
    sha256 = add_elf(store, FIRMWARE_ELF).sha256
    assert [name.startswith(sha256) for name in synced] == [True, False, True, False]
    assert synced[1:] == ["elfs", f"{sha256}.json.part", "elfs"]


def test_built_in_files_are_known_without_being_stored(tmp_path: Path) -> None:
    store = ElfStore(tmp_path / "elfs", SIZE, Access(), (FIRMWARE_ELF,))
    assert store.records() == []
    assert [elf.path for elf in store.known()] == [str(FIRMWARE_ELF)]
    add_elf(store, FIRMWARE_ELF)
    assert len(store.known()) == 1


@pytest.mark.parametrize(
    ("printed", "usable"),
    [
        ("1b43c5e74", "1b43c5e74"),
        ("1B43C5E74F2DA138", "1b43c5e74f2da138"),
        ("1b43c5e7", "1b43c5e7"),
        ("1b43c5e", None),
        ("000000000", None),
        ("0" * 64, None),
        ("1b43c5e7x", None),
        ("1" * 65, None),
        ("", None),
        (None, None),
    ],
)
def test_only_enough_hexadecimal_digits_that_are_not_all_zero_are_a_hash(
    printed: str | None, usable: str | None
) -> None:
    assert usable_sha256(printed) == usable


def known(*sums: str) -> list[KnownElf]:
    return [KnownElf(path=f"/{number}", sha256=sha256, machine="riscv") for number, sha256 in enumerate(sums)]


def test_a_hash_is_matched_at_its_beginning_only() -> None:
    elfs = known("aabbccdd" + "0" * 56, "00aabbccdd" + "0" * 54)
    assert choose_by_sha256("aabbccdd0", elfs).path == "/0"
    with pytest.raises(NoElfError) as missing:
        choose_by_sha256("bbccdd00", elfs)
    assert (missing.value.code, missing.value.app_sha256) == ("no_elf", "bbccdd00")


def test_trying_stops_where_there_are_too_many_to_try() -> None:
    elfs = known(*(f"{number:064x}" for number in range(17)))
    with pytest.raises(NoElfError) as refused:
        choose_by_trying(elfs, "riscv", lambda _: pytest.fail("tried"))
    assert refused.value.code == "ambiguous_elf"
