"""ELF files that arrive: in parts, under a limit, beside those of other daemons, and not for ever."""

import hashlib
import os
from pathlib import Path

import pytest

from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import Upload
from esperd.errors import CommandError
from esperd.simulation.scenarios import FIRMWARE_ELF
from esperd.storage.files import Access
from esperd.testing.elf_builds import add_elf

CONTENT = FIRMWARE_ELF.read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> ElfStore:
    store = ElfStore(tmp_path / "elfs", 10 * len(CONTENT), Access())
    store.prepare()
    return store


def test_a_file_in_parts_is_stored_with_its_last_part(store: ElfStore) -> None:
    content = FIRMWARE_ELF.read_bytes()
    with Upload(store, hashlib.sha256(content).hexdigest(), len(content), "/home/kim/app.elf") as upload:
        assert upload.write(content[:1000]) is None
        assert store.records() == []
        record = upload.write(content[1000:])
    assert record is not None
    assert record.path == "/home/kim/app.elf"
    assert [found.sha256 for found in store.records()] == [record.sha256]


def test_another_content_than_announced_is_refused(store: ElfStore) -> None:
    content = FIRMWARE_ELF.read_bytes()
    with Upload(store, "0" * 64, len(content), "app.elf") as upload, pytest.raises(CommandError, match="SHA-256"):
        upload.write(content)
    with Upload(store, "0" * 64, 10, "app.elf") as upload, pytest.raises(CommandError, match="more bytes"):
        upload.write(content)
    assert list(store.directory.iterdir()) == []


def test_nothing_is_written_where_the_disk_is_nearly_full(store: ElfStore) -> None:
    store.free_disk_percent = 100
    with Upload(store, "1" * 64, 10, "app.elf") as upload:
        with pytest.raises(CommandError, match=r"app\.elf: less than 100 % of the disk is free") as refused:
            upload.append(b"x")
        assert upload.path.stat().st_size == 0
    assert refused.value.code == "limit"
    with pytest.raises(CommandError):
        add_elf(store, FIRMWARE_ELF)
    assert list(store.directory.iterdir()) == []


def test_what_arrives_has_no_more_than_the_store_may_have_until_some_of_it_is_over(tmp_path: Path) -> None:
    store = ElfStore(tmp_path / "elfs", 100, Access())
    other = store.directory / f"{'3' * 64}.1.0123abcd-1.part"
    with Upload(store, "1" * 64, 60, "a.elf") as first, Upload(store, "2" * 64, 60, "b.elf") as second:
        # Of another daemon with the same store: process 1 lives.
        other.write_bytes(bytes(20))
        first.append(bytes(50))
        second.append(bytes(30))
        for upload in (first, second):
            with pytest.raises(CommandError, match="more ELF files arrive") as refused:
                upload.append(b"x")
            assert refused.value.code == "limit"
        assert store.prepare() == 0
        other.unlink()
        second.append(bytes(20))
        first.close()
        second.append(bytes(5))


# What is left ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"{2**22 + 1}.0123abcd-1", id="a process that is gone"),
        pytest.param(f"{2**22 + 1}.1", id="of an earlier version"),
        # Each run of a container is process 1, or 7.
        pytest.param(f"{os.getpid()}.0123abcd-1", id="another run with our number"),
    ],
)
def test_what_a_killed_daemon_left_is_removed_and_what_a_running_one_receives_is_not(
    store: ElfStore, name: str
) -> None:
    ended = store.directory / f"{'0' * 64}.{name}.part"
    ended.touch()
    with Upload(store, "1" * 64, 10, "app.elf") as upload:
        assert store.prepare() == 1
        assert not ended.exists()
        assert upload.path.exists()


def test_a_record_that_another_daemon_is_writing_is_left_alone(store: ElfStore) -> None:
    record = store.directory / f"{'0' * 64}.json.part"
    record.touch()
    assert store.prepare() == 0
    assert record.exists()
