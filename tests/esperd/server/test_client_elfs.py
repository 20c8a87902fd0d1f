"""ELF files that clients send, as a client sees it."""

import contextlib
from typing import Final

import pytest

from esper_protocol import messages
from esperd.server.registry import Registry
from esperd.testing.boards import Connect
from esperd.testing.viewer import RefusedError

MOST: Final = 4


async def test_a_user_sends_so_many_files_at_one_time_and_more_when_one_is_over(
    registry: Registry, connect: Connect
) -> None:
    folder = registry.decoding.elfs.directory
    async with connect() as late:
        async with contextlib.AsyncExitStack() as clients:
            for number in range(MOST):
                viewer = await clients.enter_async_context(connect())
                await viewer.request(messages.AddElf(f"{number}" * 64, 10, "app.elf"))
                # What it had begun before counts no more.
                await viewer.request(messages.AddElf(f"{number}" * 64, 20, "app.elf"))
            with pytest.raises(RefusedError, match="sends 4 other ELF files at this time") as refused:
                await late.request(messages.AddElf("a" * 64, 10, "app.elf"))
            assert refused.value.error.code == "limit"
            with pytest.raises(RefusedError, match="no ELF file was offered"):
                await late.request(messages.AddElfPart(0, b"x"))
            assert len(list(folder.iterdir())) == MOST
        # The clients are gone, and with them what they had begun.
        assert list(folder.iterdir()) == []
        await late.request(messages.AddElf("a" * 64, 10, "app.elf"))


async def test_a_file_that_finds_no_room_is_dropped(registry: Registry, connect: Connect) -> None:
    elfs = registry.decoding.elfs
    async with connect() as viewer:
        await viewer.request(messages.AddElf("a" * 64, 10, "app.elf"))
        elfs.free_disk_percent = 100
        with pytest.raises(RefusedError, match=r"limit: app\.elf: less than 100 % of the disk is free"):
            await viewer.request(messages.AddElfPart(0, b"x"))
        assert list(elfs.directory.iterdir()) == []
