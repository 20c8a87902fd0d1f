from __future__ import annotations

import io
import struct
import tarfile
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from esper_protocol.messages import ListCoredumps, PinCoredump, PruneCoredumps, RemoveCoredump, Removed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.esperctl.conftest import Esperctl, FakeDaemon, MakeBoard, MakeCoredump, Refusal

ELF = b"\x7fELF" + bytes(range(256)) * 20
CONTAINER = struct.pack("<II", 24 + len(ELF) + 4, 5 << 16 | 0x0102).ljust(24, b"\x00") + ELF + b"sum!"


@pytest.fixture
def store(daemon: FakeDaemon, make_coredump: MakeCoredump) -> FakeDaemon:
    daemon.dumps = [
        make_coredump("bench1-17", reason="abort()", decoded_bytes=2048),
        make_coredump(
            "bench1-18", started_at="2026-01-31T09:30:00Z", capture="partial", end_reason="reboot", pinned=True
        ),
    ]
    daemon.files = {"core.b64": b"QUJD\n" * 700, "core.bin": CONTAINER, "panic.txt": b"Guru\n", "record.json": b"{}"}
    return daemon


async def test_the_list_is_a_table_newest_last(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.dumps.reverse()
    assert (await esperctl("coredumps", "list")).out.splitlines() == [
        "ID         TIME                 BOARD   STATE                    SIZE     REASON   DECODE",
        "bench1-17  2026-01-31 08:30:00  bench1  captured (end_marker)    2.0 KiB  abort()  none",
        "bench1-18  2026-01-31 09:30:00  bench1  partial (reboot) pinned  0 B      -        none",
    ]


async def test_the_list_as_json_is_an_array_of_records(store: FakeDaemon, esperctl: Esperctl) -> None:
    found = msgspec.json.decode((await esperctl("coredumps", "list", "--json")).raw)
    assert [dump["id"] for dump in found] == ["bench1-17", "bench1-18"]
    assert found[0]["decode"]["state"] == "none"
    assert found[0]["checksum"] == "ok"


async def test_no_dumps_is_no_error(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "list")
    assert (done.code, done.out) == (0, "")
    assert (await esperctl("coredumps", "list", "--json")).out == "[]\n"


async def test_the_list_of_one_board(store: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("coredumps", "list", "--board", "bench1")).code == 0
    assert store.requests[-1] == ListCoredumps("bench1")
    assert (await esperctl("coredumps", "list", "--board", "bench9")).code == 4


async def test_a_list_that_comes_in_parts_is_one_list(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.dumps_in_an_answer = 1
    found = msgspec.json.decode((await esperctl("coredumps", "list", "--json")).raw)
    assert [dump["id"] for dump in found] == ["bench1-17", "bench1-18"]
    assert [body for body in store.requests if isinstance(body, ListCoredumps)] == [
        ListCoredumps(),
        ListCoredumps(None, "1"),
    ]


async def test_info_shows_paths_files_and_the_report(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.report = '{"reason": "abort", "frames": [{"level": 0, "pc": 16, "function": "app_main"}]}'
    done = await esperctl("coredumps", "info", "bench1-17")
    assert done.code == 0
    assert "text file: /var/lib/esperd/bench1/coredumps/bench1-17/core.b64" in done.out
    assert "panic.txt    5" in done.out
    assert "#0  0x00000010 in app_main" in done.out


async def test_info_names_only_files_that_there_are(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.dumps[0].decode.report_path = "/var/lib/esperd/bench1/coredumps/bench1-17/report.json"
    store.files["core.bin"] = b""

    done = await esperctl("coredumps", "info", "bench1-17")

    assert "text file: " in done.out
    assert "core file: " not in done.out
    assert "report file: " not in done.out
    record = msgspec.json.decode((await esperctl("coredumps", "info", "bench1-17", "--json")).raw)
    assert record["core_path"].endswith("core.bin")


async def test_info_says_how_much_of_a_dump_waits_for_the_disk(
    daemon: FakeDaemon, esperctl: Esperctl, make_coredump: MakeCoredump
) -> None:
    daemon.files = {"core.b64": b"QUJD\n"}
    daemon.dumps = [make_coredump(raw_bytes=500)]
    assert "on disk: 5 of 500 bytes of its text yet" in (await esperctl("coredumps", "info", "bench1-17")).out
    for settled in (make_coredump(raw_bytes=5), make_coredump(raw_bytes=500, capture="capturing")):
        daemon.dumps = [settled]
        assert "on disk: " not in (await esperctl("coredumps", "info", "bench1-17")).out


async def test_info_says_where_the_text_may_be_that_the_disk_refused(
    daemon: FakeDaemon, esperctl: Esperctl, make_coredump: MakeCoredump
) -> None:
    daemon.dumps = [make_coredump(capture="partial", end_reason="disk_full", first_seq=100)]
    said = "`esperctl logs bench1 --after 99 -o raw | esperctl coredumps decode --number 1 -`"
    assert said in (await esperctl("coredumps", "info", "bench1-17")).out
    # A record that was made from the files alone does not know where that would be.
    for end_reason, first_seq in (("reboot", 100), ("disk_full", 0)):
        daemon.dumps = [make_coredump(capture="partial", end_reason=end_reason, first_seq=first_seq)]
        assert "esperctl logs" not in (await esperctl("coredumps", "info", "bench1-17")).out


async def test_info_says_what_is_not_known(daemon: FakeDaemon, esperctl: Esperctl, make_coredump: MakeCoredump) -> None:
    daemon.dumps = [make_coredump(capture="partial", end_reason="disk_full", generation=0, boot=0, first_seq=0)]
    shown = (await esperctl("coredumps", "info", "bench1-17")).out
    assert "board: bench1, session and boot not known\n" in shown
    assert "journal: positions not known\n" in shown


@pytest.fixture
def refusing(daemon: FakeDaemon, make_board: MakeBoard, make_coredump: MakeCoredump) -> FakeDaemon:
    """Its disk took a part of a dump."""
    daemon.boards = [make_board(disk="full: No space left on device")]
    daemon.files = {"core.b64": b"QUJD\n", "record.refused": b""}
    daemon.dumps = [make_coredump(raw_bytes=500, first_seq=100)]
    return daemon


@pytest.mark.parametrize("words", [("export", "bench1-17", "-o", "-"), ("decode", "bench1-17")], ids=str)
async def test_of_a_dump_that_waits_for_the_disk_it_is_said_how_to_rescue_it(
    refusing: FakeDaemon, esperctl: Esperctl, words: tuple[str, ...]
) -> None:
    done = await esperctl("coredumps", *words)

    assert (done.code, done.out) == (1, "")
    message, hint = done.err.splitlines()
    assert message.startswith(
        "esperctl: bench1-17 waits in memory, 5 of 500 bytes of its text are on disk: it is full:"
    )
    assert hint.startswith("hint: make room, and the rest is written by itself; before a stop of esperd, ")
    assert "`esperctl logs bench1 --after 99 -o raw > FILE` saves its text, and `esperctl coredumps decode F" in hint
    assert "`esperctl logs bench1 --after 99 -o raw |" in (await esperctl("coredumps", "info", "bench1-17")).out


async def test_a_dump_that_is_on_disk_is_exported_whatever_the_disk_refuses_now(
    refusing: FakeDaemon, esperctl: Esperctl, make_coredump: MakeCoredump
) -> None:
    for settled in (make_coredump(raw_bytes=5), make_coredump(raw_bytes=500, capture="capturing")):
        refusing.dumps = [settled]
        assert (await esperctl("coredumps", "export", "bench1-17", "-o", "-")).raw == b"QUJD\n"


async def test_the_list_tells_of_a_disk_that_refuses(
    refusing: FakeDaemon, esperctl: Esperctl, make_board: MakeBoard
) -> None:
    refusing.boards.append(make_board("b", disk="failing: Input/output error"))
    done = await esperctl("coredumps", "list")
    assert done.code == 0
    assert len(done.out.splitlines()) == 2
    (said,) = done.err.splitlines()
    assert said.startswith("bench1: the disk is full: No space left on device; what it refuses of a core dump waits in")


async def test_info_as_json_has_the_report_as_an_object(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.report = '{"reason": "abort"}'
    found = msgspec.json.decode((await esperctl("coredumps", "info", "bench1-17", "--json")).raw)
    assert found["id"] == "bench1-17"
    assert found["report"] == {"reason": "abort"}
    assert {"name": "record.json", "size_bytes": 2} in found["files"]
    store.report = None
    assert msgspec.json.decode((await esperctl("coredumps", "info", "bench1-17", "--json")).raw)["report"] is None


async def test_an_unknown_dump_is_told(store: FakeDaemon, esperctl: Esperctl) -> None:
    for words in (["info", "x-1"], ["export", "x-1", "-o", "-"], ["pin", "x-1"], ["rm", "x-1"]):
        done = await esperctl("coredumps", *words)
        assert done.code == 4
        assert "no core dump is called 'x-1'" in done.err


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        ([], "core", b"QUJD\n" * 700),
        ([], "core.elf", ELF),
        (["--format", "elf"], "core", ELF),
        (["--format", "b64"], "core.elf", b"QUJD\n" * 700),
    ],
)
async def test_a_dump_is_exported_to_a_file(
    store: FakeDaemon, esperctl: Esperctl, tmp_path: Path, words: list[str], name: str, expected: bytes
) -> None:
    target = tmp_path / "out" / name
    target.parent.mkdir()
    done = await esperctl("coredumps", "export", "bench1-17", "-o", str(target), *words)
    assert (done.code, done.out) == (0, "")
    assert target.read_bytes() == expected
    assert [path.name for path in target.parent.iterdir()] == [name]


async def test_a_dump_is_exported_to_stdout(store: FakeDaemon, esperctl: Esperctl) -> None:
    assert (await esperctl("coredumps", "export", "bench1-17", "-o", "-", "--format", "elf")).raw == ELF


async def test_a_tar_file_has_every_file_of_the_dump(store: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "export", "bench1-17", "-o", "-", "--format", "tar")
    with tarfile.open(fileobj=io.BytesIO(done.raw)) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
    assert {name: file.read() for name, file in members.items() if file} == {
        f"bench1-17/{name}": data for name, data in store.files.items()
    }


async def test_an_export_over_a_file_is_all_or_nothing(store: FakeDaemon, esperctl: Esperctl, tmp_path: Path) -> None:
    target = tmp_path / "core.elf"
    target.write_bytes(b"old")
    store.files["core.bin"] = struct.pack("<II", 500, 3).ljust(100, b"x")
    done = await esperctl("coredumps", "export", "bench1-17", "-o", str(target))
    assert done.code == 1
    assert "bench1-17 can't be exported as ELF: its format is binary 0.3" in done.err
    assert target.read_bytes() == b"old"
    assert not target.with_name("core.elf.part").exists()


async def test_an_export_to_a_device_does_not_replace_it(store: FakeDaemon, esperctl: Esperctl, tmp_path: Path) -> None:
    target = tmp_path / "null"
    target.symlink_to("/dev/null")
    assert (await esperctl("coredumps", "export", "bench1-17", "-o", str(target))).code == 0
    assert await trio.Path(target).readlink() == trio.Path("/dev/null")
    assert await trio.Path(target).is_char_device()


@pytest.mark.parametrize("target", ["", "/", "/nonexistent/folder/core.elf", "x" * 300])
async def test_a_place_that_can_not_be_written_is_said(store: FakeDaemon, esperctl: Esperctl, target: str) -> None:
    done = await esperctl("coredumps", "export", "bench1-17", "-o", target)
    assert done.code == 1
    assert "can't be written" in done.err
    assert len(done.err.splitlines()) == 2


async def test_a_missing_file_is_told_with_those_that_there_are(store: FakeDaemon, esperctl: Esperctl) -> None:
    del store.files["core.bin"]
    done = await esperctl("coredumps", "export", "bench1-17", "-o", "-", "--format", "elf")
    assert done.code == 1
    assert done.err.splitlines() == [
        "esperctl: bench1-17 has no core.bin",
        "hint: its files: core.b64, panic.txt, record.json",
    ]


async def test_a_partial_dump_is_exported_and_said_to_be_partial(
    store: FakeDaemon, esperctl: Esperctl, tmp_path: Path
) -> None:
    done = await esperctl("coredumps", "export", "bench1-18", "-o", str(tmp_path / "core"))
    assert done.code == 0
    assert "bench1-18 is not complete: reboot" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pin", "bench1-17"], [PinCoredump("bench1-17", pinned=True)]),
        (["unpin", "bench1-18"], [PinCoredump("bench1-18", pinned=False)]),
        (["rm", "bench1-17", "bench1-18"], [RemoveCoredump("bench1-17"), RemoveCoredump("bench1-18")]),
        (["rm", "bench1-17", "--force", "bench1-18"], [RemoveCoredump(f"bench1-{n}", force=True) for n in (17, 18)]),
    ],
    ids=str,
)
async def test_several_dumps_are_changed_one_by_one(
    store: FakeDaemon, esperctl: Esperctl, words: list[str], expected: list[object]
) -> None:
    done = await esperctl("coredumps", *words)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert [body for body in store.requests if isinstance(body, PinCoredump | RemoveCoredump)] == expected


async def test_one_unknown_dump_does_not_keep_the_others(store: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("coredumps", "rm", "x-1", "bench1-17")
    assert done.code == 4
    assert "x-1" in done.err
    assert store.requests[-1] == RemoveCoredump("bench1-17")


async def test_a_pinned_dump_is_not_removed_without_force(
    store: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    store.answers[RemoveCoredump] = refuse("failed", "core dump bench1-18 is pinned", "unpin it first, or use --force")
    assert (await esperctl("coredumps", "rm", "bench1-18")).code == 1
    store.answers[RemoveCoredump] = refuse("capturing", "core dump bench1-18 is arriving")
    assert (await esperctl("coredumps", "rm", "bench1-18")).code == 75


async def test_prune_prints_what_went(store: FakeDaemon, esperctl: Esperctl) -> None:
    store.answers[PruneCoredumps] = Removed(["bench1-1", "bench1-2"])
    assert (await esperctl("coredumps", "prune", "--keep", "3")).out == "bench1-1\nbench1-2\n"
    assert store.requests[-1] == PruneCoredumps(None, 3)
    done = await esperctl("coredumps", "prune", "--board", "bench1", "--json")
    assert msgspec.json.decode(done.raw) == {"removed": ["bench1-1", "bench1-2"]}
    assert store.requests[-1] == PruneCoredumps("bench1", None)


async def test_a_board_that_nobody_runs_is_pruned_by_whoever_has_its_dumps(
    store: FakeDaemon, second_daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    store.answers[PruneCoredumps] = refuse("unknown_board", "there is no board gone")
    second_daemon.answers[PruneCoredumps] = Removed(["gone-1"])
    done = await esperctl("coredumps", "prune", "--board", "gone")
    assert (done.code, done.out) == (0, "gone-1\n")
    second_daemon.answers[PruneCoredumps] = store.answers[PruneCoredumps]
    assert (await esperctl("coredumps", "prune", "--board", "gone")).code == 4
    second_daemon.answers[PruneCoredumps] = refuse("failed", "the disk is gone")
    assert (await esperctl("coredumps", "prune", "--board", "gone")).code == 1
