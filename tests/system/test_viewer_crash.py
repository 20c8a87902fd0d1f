"""The minute of the crash, from the panic to the report, as a person at the terminal lives through it."""

import base64
import os
import re
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esperd.testing.attached import (
    DOWN,
    ESCAPE,
    arrives,
    attached,
    command,
    heard,
    mode_of,
    scroll_to,
    wait_for_mode,
    wait_until_whole,
)
from esperd.testing.daemon import Bench
from esperd.testing.decoders import configure
from esperd.testing.dumps import container, printed_dump
from esperd.testing.screen import Screen
from esperd.testing.terminal import BoardTerminal

pytestmark = pytest.mark.slow

SIZES: Final = pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=["80x24", "160x50"])
_CLIPBOARD: Final = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")


class Dump(msgspec.Struct):
    start_offset: int
    body_offset: int
    end_offset: int = 0


class Expected(msgspec.Struct):
    dumps: list[Dump]


class Notes(msgspec.Struct):
    elf_sha256: str
    expected: Expected


async def reads(screen: Screen, *words: str) -> None:
    """Down in a detail view until it shows all of *words*, wrapped or not."""

    def is_shown() -> bool:
        text = re.sub(r"\s*│\n│\s*", "", screen.text)
        return all(each in text for each in words)

    await scroll_to(screen, DOWN * 3, is_shown, str(words))


def unwrapped(screen: Screen) -> str:
    """The log's rows as one text: long lines go on in the next row, maybe beside the inspector."""
    return "".join(line.split("│", 1)[0].ljust(1).rstrip() for line in screen.lines[1:-2])


def clipboard(screen: Screen) -> list[str]:
    return [base64.b64decode(data).decode() for data in _CLIPBOARD.findall(bytes(screen.output))]


def contents(file: Path) -> bytes:
    return file.read_bytes()


def load_recording(name: str) -> tuple[bytes, Dump, Path]:
    """What the board said, where its first dump is in it, and its ELF file."""
    corpus = os.environ.get("ESPER_CORPUS")
    if corpus is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder that holds transcripts/ and elf/")
    recording = next(Path(corpus, "transcripts").glob(f"{name}_*.raw"))
    notes = msgspec.json.decode(recording.with_suffix(".json").read_bytes(), type=Notes)
    return recording.read_bytes(), notes.expected.dumps[0], Path(corpus, "elf", f"{notes.elf_sha256[:16]}.elf")


async def saved_file(screen: Screen, file: Path) -> bytes:
    await screen.wait_until(lambda: file.exists() and file.stat().st_size > 0, f"the file {file}")
    await screen.wait_for("saved: ")
    return contents(file)


@SIZES
async def test_the_simulated_board_crashes_by_itself(bench: Bench, tmp_path: Path, size: tuple[int, int]) -> None:
    daemon = await bench.start("g=sim:crash")
    async with attached(daemon, tmp_path, size=size) as screen:
        await wait_for_mode(screen, "DEVICE")
        # The crash is on the screen while it happens, and the dump takes one row.
        await screen.wait_for("panic", "Ctrl-T v")
        await wait_for_mode(screen, "CAPTURE")
        await screen.wait_for("of 10.5 KiB", " %")
        # Keys are answered meanwhile.
        await command(screen, b"z")
        await screen.wait_for("Wrap off")
        await command(screen, b"z")
        await screen.wait_for("Wrap on")
        await wait_for_mode(screen, "DEVICE")
        await screen.wait_for("core dump g-1 decoded: store_value at message.c:30")
        # The board is up again, and the log goes on.
        await screen.wait_for("Type 'help' to get the list of commands.")
        await screen.press(b"echo still here\r")
        await screen.wait_until(lambda: any("echo still here" in line for line in screen.lines), "the echo")
        # Back in the log, the frames stand where the panic is.
        await command(screen, b"{")
        await screen.wait_for("Guru Meditation Error")
        await screen.press(b")")
        await screen.press(b"(")
        await screen.wait_for("CORE DUMP START", "base64 folded")
        await screen.wait_until(
            lambda: "decoded: task main crashed in store_value at message.c:30" in unwrapped(screen),
            "the decode",
        )
        await screen.wait_until(lambda: "#0  0x8000172c in store_value" in unwrapped(screen), "the first frame")
        # One key to everything about it.
        await screen.press(b"v")
        await screen.wait_for("─ core dump g-1 ─", "✓ decoded", "reason: Store access fault")
        await reads(screen, "#0  0x8000172c in store_value", "message.c:30")
        await reads(screen, "#1  0x80001816 in parse_field", "message.c:44")
        await reads(screen, "Registers")
        await screen.press(b"s")
        report = (await saved_file(screen, tmp_path / "g-1-report.txt")).decode()
        for words in ("core dump g-1", "store_value", "message.c:30", "Registers", "IDLE", "sensor"):
            assert words in report
        await screen.press(b"c")
        await screen.wait_until(lambda: bool(clipboard(screen)), "the clipboard")
        assert clipboard(screen) == [report]
        await screen.press(b"r")
        assert b"\n" in await saved_file(screen, tmp_path / "g-1.b64")
        # And back to the very line.
        await screen.press(b"j")
        await screen.wait_until_gone("─ core dump g-1 ─")
        await screen.wait_until(lambda: "CORE DUMP START" in marked_row(screen), "the marked line")
        await screen.press(ESCAPE)
        await command(screen, b"F")
        await screen.wait_for("Follow on", "echo still here")
        await wait_until_whole(screen)


def marked_row(screen: Screen) -> str:
    """The text of the row that is shown in reverse."""
    rows = [screen.cells(row) for row in range(1, screen.rows - 2)]
    return " ".join("".join(cell.data for cell in row) for row in rows if row[0].reverse and row[5].reverse)


@pytest.mark.parametrize(
    ("name", "panic", "frames"),
    [
        ("x01", "Guru Meditation Error: Core  0 panic'ed (StoreProhibited)", ["app_main", "hello_world_main.c:17"]),
        ("x02", "abort() was called at PC 0x400d66b9 on core 0", ["fail_once", "test_core_dump.c:14"]),
        ("r01", "abort() was called at PC 0x42009351 on core 0", ["fail_once", "test_core_dump.c:14"]),
    ],
)
async def test_a_recorded_crash_is_followed_to_its_report(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path, name: str, panic: str, frames: list[str]
) -> None:
    data, dump, elf = load_recording(name)
    daemon = await bench.start(f"b={terminal.path}", "--elf", str(elf))
    async with attached(daemon, tmp_path, size=(100, 30)) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(data[: dump.start_offset])
        # The panic is decoded by itself, before any dump: function and place stand below its lines.
        await screen.wait_for("panic", "Ctrl-T v")
        await screen.wait_until(lambda: all(each in unwrapped(screen) for each in frames), str(frames))
        middle = (dump.body_offset + dump.end_offset) // 2
        await terminal.send(data[dump.start_offset : dump.body_offset + 200])
        await wait_for_mode(screen, "CAPTURE")
        # The daemon tells how far the dump is four times a second at most; this board takes its time.
        await trio.sleep(0.3)
        await terminal.send(data[dump.body_offset + 200 : middle])
        await screen.wait_for("base64", " KiB of ", " %")
        await wait_until_whole(screen)
        # The keys of the viewer work in the middle of it.
        await command(screen, b"h")
        await screen.wait_for("─ Help ─")
        await screen.press(ESCAPE)
        await screen.wait_until_gone("─ Help ─")
        await terminal.send(data[middle : notes_end(data, dump)])
        await screen.wait_for("core dump b-1 decoded", timeout_s=30)
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(b"I (99) app: and on\r\n")
        await screen.wait_for("I (99) app: and on")
        await screen.press(b"k")
        # Before the key comes the daemon's answer to the firmware's question.
        assert (await heard(screen, terminal, lambda came: came.endswith(b"k"))).strip() == b"k"
        await command(screen, b"v")
        await screen.wait_for("─ core dump b-1 ─", "✓ decoded")
        await reads(screen, *frames)
        await screen.press(b"s")
        report = (await saved_file(screen, tmp_path / "b-1-report.txt")).decode()
        for words in frames:
            assert words in report
        await screen.press(b"\x1b[Z")
        await screen.wait_for("─ panic: ")
        await screen.press(b"j")
        await screen.wait_until(lambda: panic in marked_row(screen).replace("│", ""), "the panic's line, marked")
        assert mode_of(screen) == "HOST"
        await command(screen, b"d")
        await screen.press(b")")
        # Unfolded, the dump's own lines are there.
        first = data[dump.body_offset :].split(b"\n", 1)[0].decode().strip()
        await screen.wait_until(lambda: first[:50] in screen.text, "the base64")
        await wait_until_whole(screen)


def notes_end(data: bytes, dump: Dump) -> int:
    """Behind the line that ends the dump."""
    return data.index(b"\n", dump.end_offset) + 1


_DECODER: Final = """
if number == 2:
    sys.exit("the second one is too strange")
while not os.path.exists(GO):
    time.sleep(0.01)
frames = [{"level": 0, "pc": 0x42001234, "function": "slowly", "file": "/app/slow.c", "line": 7}]
report = {"crashed_task": "worker", "tasks": [{"name": "worker", "crashed": True, "frames": frames}], "frames": frames}
report["decoder"] = {"backend": "made up", "version": "1", "seconds": 1.0}
print(json.dumps({"report": report, "text": "worker crashed in slowly"}))
"""


async def test_a_decode_that_takes_its_time_is_waited_for_in_the_background(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    daemon = await bench.start(f"b={terminal.path}", *configure(tmp_path, _DECODER.replace("GO", repr(str(go)))))
    reboot = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    async with attached(daemon, tmp_path, size=(100, 30)) as screen:
        await wait_for_mode(screen, "DEVICE")
        await terminal.send(printed_dump(container(3000, 1)) + reboot)
        await screen.wait_for("core dump b-1 captured (3.0 KiB)", "decoding…")
        # The log flows, keys reach the board, and the state is known meanwhile.
        await terminal.send(b"I (5) app: up again\r\n")
        await screen.wait_for("I (5) app: up again", "decoding")
        await screen.press(b"k")
        await arrives(screen, terminal, b"k")
        await command(screen, b"v")
        await screen.wait_for("─ core dump b-1 ─", "decoding", "d cancel")
        await terminal.send(b"I (6) app: going on\r\n")
        go.touch()
        # What is open shows it as soon as it is there.
        await screen.wait_for("✓ decoded", "slowly", "/app/slow.c:7")
        await screen.press(ESCAPE)
        await screen.wait_until_gone("─ core dump b-1 ─")
        await screen.wait_for("I (6) app: going on")
        await screen.wait_until(
            lambda: "decoded: task worker crashed in slowly at slow.c:7" in unwrapped(screen),
            "the decode in place",
        )
        assert unwrapped(screen).index("crashed in slowly") < unwrapped(screen).index("I (5) app: up again")
        # One that fails says why, in the list, too.
        await terminal.send(printed_dump(container(3000, 2)) + reboot)
        await screen.wait_for("the second one is too strange")
        await command(screen, b"v")
        await screen.wait_for("─ core dump b-2 ─", "failed", "d decode")
        await wait_until_whole(screen)
