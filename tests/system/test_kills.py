"""``kill -9`` at random moments: what was journaled stays, what was under way is closed, no position is given twice."""

import binascii
import contextlib
import os
import random
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.events import DaemonStarted, Event, Gap, Recovered, SessionOpened, seq_count
from esper_protocol.messages import Subscribe
from esper_protocol.records import CoredumpRecord
from esperd.testing.daemon import STARTED, Bench, Daemon
from esperd.testing.dumps import END_LINE, START_LINE, base64_lines, container
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

KILLS: Final = int(os.environ.get("ESPER_KILLS", "200"))
# Daemons that live and die side by side, as most of a life is waiting; and how often each does before a fresh start.
LANES: Final = 4
LIVES: Final = 10
LONGEST_LIFE_S: Final = 1.4
# What the daemon had this long before it was killed must be on disk.
PROMISE_S: Final = 1.0
NUMBERED: Final = re.compile(rb"line (\d{8}) of the board\r\n")


@dataclass
class Lane:
    """One board, its daemons, and all that is known of what it said and what was seen of it."""

    bench: Bench
    terminal: BoardTerminal
    random: random.Random
    said_at: dict[int, float] = field(default_factory=dict[int, float])
    dumps: list[bytes] = field(default_factory=list[bytes])
    killed_at: list[float] = field(default_factory=list[float])
    seen: dict[int, Event] = field(default_factory=dict[int, Event])
    torn_bytes: int = 0

    @property
    def arguments(self) -> tuple[str, ...]:
        return f"b={self.terminal.path}", "--coredumps-kept", "10000"

    @property
    def state_dir(self) -> Path:
        return self.bench.state_dir

    # The board ----------------------------------------------------------------------------------------

    async def talk(self) -> None:
        """Numbered lines, and a core dump now and then, until cancelled; cancelled between two pieces only."""
        while True:
            for _ in range(self.random.randrange(1, 40)):
                number = len(self.said_at)
                await self.say(b"line %08d of the board\r\n" % number)
                self.said_at[number] = trio.current_time()
            if self.random.random() < 0.3:
                lines = base64_lines(container(self.random.randrange(200, 6000), len(self.dumps)))
                self.dumps.append(b"".join(lines))
                for line in (START_LINE, *lines, END_LINE):
                    await self.say(line)

    async def say(self, text: bytes) -> None:
        await trio.sleep(self.random.uniform(0, 0.003))
        with trio.CancelScope(shield=True):
            await self.terminal.send(text)

    # A life of the daemon -----------------------------------------------------------------------------

    async def live_and_die(self) -> None:
        folders = self.coredump_folders()
        half_written = self.half_written()
        daemon = await self.bench.spawn(*self.arguments)
        if self.random.random() < 0.15:
            # In the middle of starting and repairing; what was torn off before may be repaired or not.
            await trio.sleep(self.random.uniform(0, 0.3))
            await daemon.kill()
            self.torn_bytes = 0
            return
        await daemon.wait_for_log(STARTED)
        async with daemon.viewer() as viewer, trio.open_nursery() as nursery:
            await viewer.subscribe(Subscribe("b"))
            assert not half_written & self.half_written()
            await self.check_restart(daemon, folders)
            nursery.start_soon(self.talk)
            with trio.move_on_after(self.random.uniform(0, LONGEST_LIFE_S)):
                await viewer.receive_to_end()
            await daemon.kill()
            self.killed_at.append(trio.current_time())
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await viewer.receive_to_end()
        self.note(viewer.events)

    def coredump_folders(self) -> list[Path]:
        """Those that something of a dump may be in: a folder that was only being made is no dump yet."""
        return [raw.parent for raw in (self.state_dir / "coredumps").glob("*/core.b64")]

    def half_written(self) -> set[tuple[Path, int]]:
        """Temporary files, told apart from newer ones of the same name by the time of their last write."""
        found: set[tuple[Path, int]] = set()
        for path in (self.state_dir / "coredumps").glob("*/*.part"):
            # The daemon may just have renamed it.
            with contextlib.suppress(FileNotFoundError):
                found.add((path, path.stat().st_mtime_ns))
        return found

    def tear(self) -> None:
        """Half of a frame at the end, as a write leaves it that was cut."""
        segments = sorted((self.state_dir / "boards" / "b" / "journal").glob("*.journal"))
        if not segments or not (content := segments[-1].read_bytes()):
            return
        # The first frame of the file, which is whole, without its last bytes: no reader may take it for one.
        torn = content[: self.random.randrange(1, 30)]
        with segments[-1].open("ab") as file:
            file.write(torn)
        self.torn_bytes = len(torn)

    def note(self, events: list[Event]) -> None:
        """One position is one event, whoever tells of it, and for all times."""
        for event in events:
            assert self.seen.setdefault(event.seq, event) == event

    # What must be true after a restart ----------------------------------------------------------------

    async def check_restart(self, daemon: Daemon, folders: list[Path]) -> None:
        events = await daemon.history("b")
        check_order(events)
        self.note(events)
        if self.torn_bytes:
            torn = [recovered.torn_bytes for recovered in bodies(events, Recovered)]
            assert torn
            assert torn[-1] >= self.torn_bytes
            self.torn_bytes = 0
        self.check_lines(events)
        for folder in folders:
            self.check_dump(folder)

    def check_lines(self, events: list[Event]) -> None:
        kept = [int(number) for number in NUMBERED.findall(joined_lines(events))]
        assert kept == sorted(set(kept))
        missing = set(self.said_at) - set(kept)
        for number in missing:
            said_at = self.said_at[number]
            # None: it was said while nobody read, and waits in the port's buffer.
            cost = min((at for at in self.killed_at if at >= said_at), default=None)
            assert cost is None or cost - said_at < PROMISE_S, f"line {number}: {cost} - {said_at}"

    def check_dump(self, folder: Path) -> None:
        record = msgspec.json.decode((folder / "record.json").read_bytes(), type=CoredumpRecord)
        assert (record.capture, record.end_reason) in {
            ("captured", "end_marker"),
            ("captured", "complete"),
            ("partial", "daemon_stopped"),
            # The rest came to the next daemon, without a marker, or with the marker of the next dump.
            ("partial", "new_dump"),
        }, record
        text = (folder / "core.b64").read_bytes()
        assert any(said.startswith(text) for said in self.dumps), folder
        whole = text.splitlines()
        if whole and not text.endswith(b"\n"):
            whole[-1] = whole[-1][: len(whole[-1]) // 4 * 4]
        assert (folder / "core.bin").read_bytes() == b"".join(map(binascii.a2b_base64, whole))


def check_order(events: list[Event]) -> None:
    """Positions only ever grow, sessions and boots too, and each new life says how the one before ended."""
    for before, after in pairwise(events):
        assert after.seq >= before.seq + seq_count(before.body)
        assert after.generation >= before.generation
        if isinstance(before.body, DaemonStarted) and before is not events[0]:
            assert isinstance(after.body, Gap)
            assert after.body.reason == "daemon_killed"


async def run_lane(lane: Lane) -> None:
    try:
        for _ in range(LIVES):
            await lane.live_and_die()
            if lane.random.random() < 0.3:
                lane.tear()
        daemon = await lane.bench.start(*lane.arguments)
        await lane.check_restart(daemon, lane.coredump_folders())
    finally:
        await lane.bench.aclose()
    opened = [event.generation for event in lane.seen.values() if isinstance(event.body, SessionOpened)]
    assert len(opened) == len(set(opened)), "a generation was given to two sessions"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(max(KILLS // (LANES * LIVES), 1)))
async def test_kills_at_random_moments_lose_nothing_that_is_older_than_a_second(
    tmp_path: Path, nursery: trio.Nursery, seed: int
) -> None:
    terminals = [BoardTerminal() for _ in range(LANES)]
    try:
        async with trio.open_nursery() as lanes:
            for number, terminal in enumerate(terminals):
                generator = random.Random(seed * LANES + number)  # noqa: S311 - repeatable, not secret
                lane = Lane(Bench(tmp_path / str(number), nursery), terminal, generator)
                lanes.start_soon(run_lane, lane)
    finally:
        for terminal in terminals:
            terminal.hang_up()
