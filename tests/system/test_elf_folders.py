"""Watched folders in which something is not what it is called, or that do not answer at all."""

import os
import signal
from pathlib import Path

import trio

from esper_protocol.events import DecodeFinished
from esper_protocol.messages import Elfs, ListElfs, Subscribe
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.elf_builds import build_elf, silent_file


async def assert_decodes_and_stops(daemon: Daemon, elf_names: list[str]) -> None:
    """What is known is decoded, the store answers, and a stop is obeyed."""
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        # The panic, and the dump.
        await viewer.wait_for(DecodeFinished, count=2)
        with trio.fail_after(5):
            elfs = await viewer.request(ListElfs())
        assert isinstance(elfs, Elfs)
        assert [elf.name for elf in elfs.elfs] == elf_names
    daemon.process.send_signal(signal.SIGTERM)
    with trio.fail_after(5):
        assert await daemon.process.wait() == 0


async def test_a_fifo_that_is_called_elf_holds_up_nothing(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    build_elf(folder, 1, "z.elf")
    os.mkfifo(folder / "app.elf")
    daemon = await bench.start("b=sim:crash", "--elf", str(folder), "--elf", str(folder / "app.elf"))
    await daemon.wait_for_log("ELF file added")
    await daemon.wait_for_log(f"ELF file not added path={folder / 'app.elf'}")
    await assert_decodes_and_stops(daemon, ["z.elf"])


async def test_a_folder_that_does_not_answer_holds_up_nothing(bench: Bench, tmp_path: Path) -> None:
    with silent_file(build_elf(tmp_path / "build", 1)):
        daemon = await bench.start("b=sim:crash", "--elf", str(tmp_path / "build"))
        await assert_decodes_and_stops(daemon, [])


async def test_a_folder_that_does_not_answer_holds_up_no_reload(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "esperd.toml"
    text = f"elf = ['{tmp_path / 'build'}']\n[boards.a]\nport = 'sim:chatty'\n"
    path.write_text(text)
    with silent_file(build_elf(tmp_path / "build", 1)):
        socket = str(tmp_path / "e.sock")
        daemon = await bench.start("--config", str(path), "--socket", socket)
        path.write_text(f"{text}[boards.b]\nport = 'sim:crash'\n")
        daemon.process.send_signal(signal.SIGHUP)
        with trio.fail_after(10):
            await daemon.wait_for_log("configuration read again")
        await assert_decodes_and_stops(daemon, [])
