"""Decoders that do what no decoder should, in a whole daemon: while boards talk, over stops and kills."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from esper_protocol.events import (
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
    Event,
)
from esper_protocol.messages import Subscribe
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.daemon import Bench
from esperd.testing.decoders import configure, ended, processes_of, processes_with, states, until
from esperd.testing.dumps import container, printed_dump
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

CRASH: Final = RECORDINGS / "crash.raw"
REPLAYED: Final = RECORDINGS / "chatty.raw"
DecodeBody = DecodeFinished | DecodeFailed | DecodeTimedOut | DecodeCancelled
ENDS: Final = (DecodeFinished, DecodeFailed, DecodeTimedOut, DecodeCancelled)
# By the number of the dump: what a decoder does, how its job ends, and the words of the reason.
HOSTILE: Final[dict[int, tuple[str, type[DecodeBody], str]]] = {
    1: ("time.sleep(60)", DecodeTimedOut, ""),
    2: ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", DecodeTimedOut, ""),
    3: ("[subprocess.Popen(['sleep', '60']) for _ in range(9)]; time.sleep(60)", DecodeTimedOut, ""),
    4: ("eaten = [b'x' * 2**20 for _ in iter(int, 1)]", DecodeFailed, "MemoryError"),
    5: ("[print('x' * 10**6) for _ in iter(int, 1)]", DecodeFailed, "said more than"),
    6: ("os.abort()", DecodeFailed, "SIGABRT"),
    7: ("sum(iter(int, 1))", DecodeTimedOut, ""),
    8: ("print(json.dumps({'report': {'reason': 'fine'}, 'text': 'fine'}))", DecodeFinished, ""),
    9: ("os.kill(os.getpid(), signal.SIGSTOP)", DecodeTimedOut, ""),
    10: (
        "subprocess.Popen(['sleep', '60'], start_new_session=True); os._exit(3)",
        DecodeFailed,
        "exit code 3",
    ),
    11: ("[os.write(2, b'x' * 10**6) for _ in iter(int, 1)]", DecodeTimedOut, ""),
    12: ("print('{\"report\": ' + '[' * 10**6)", DecodeFailed, "something else than a report"),
    13: ("[os.fork() for _ in range(5)]; time.sleep(60)", DecodeTimedOut, ""),
    14: ("[open(str(number), 'w').write('x' * 10**6) for number in range(50)]; time.sleep(60)", DecodeTimedOut, ""),
    15: ("os.execvp('sleep', ['sleep', '60'])", DecodeTimedOut, ""),
}


def is_of(number: int) -> Callable[[DecodeBody], bool]:
    return lambda body: body.target == f"b-{number}"


def check_each_job_ends_once(events: list[Event]) -> None:
    queued = [body.job for body in bodies(events, DecodeQueued)]
    assert len(queued) == len(set(queued))
    assert sorted(event.body.job for event in events if isinstance(event.body, ENDS)) == queued


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """What is in the environment of the daemon, and of all that comes of it."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("ESPER_TEST_MARK", mark)
    return mark


@pytest.mark.slow
async def test_hostile_decoders_end_on_time_and_the_port_loses_nothing(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path, mark: str
) -> None:
    program = "\n".join(f"if number == {number}: {act}" for number, (act, *_) in HOSTILE.items())
    daemon = await bench.start(
        f"b={terminal.path}",
        f"r=replay:{REPLAYED}?speed=4",
        *configure(tmp_path, program),
        *("--decode-coredumps", str(len(HOSTILE)), "--decode-timeout-s", "2", "--decode-memory-bytes", "256MiB"),
    )
    said = bytearray()
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in HOSTILE:
            said += (
                b"line before %d\r\n" % number
                + printed_dump(container(3000, number))
                + b"rst:0xc (SW),boot:0x13 ()\r\n"
            )
        await terminal.send(bytes(said))
        await viewer.wait_for(DecodeStarted, count=len(HOSTILE))
        started_at = trio.current_time()
        numbered = b"".join(b"numbered line %06d of the board\r\n" % number for number in range(30_000))
        await terminal.send(numbered)
        said += numbered
        await viewer.wait_for_bytes(len(said), timeout_s=60)
        for number, (_, kind, words) in HOSTILE.items():
            found = await viewer.wait_for(kind, is_of(number))
            assert words in getattr(found.body, "error", "")
        assert trio.current_time() - started_at < 10
        assert joined_lines(viewer.events) == bytes(said)
        await viewer.subscribe(Subscribe("r", after=0))
        await viewer.wait_for_bytes(len(said) + REPLAYED.stat().st_size, timeout_s=30)
    events = await daemon.history("b")
    assert joined_lines(events) == bytes(said)
    assert joined_lines(await daemon.history("r")) == REPLAYED.read_bytes()
    check_each_job_ends_once(events)
    began = {event.body.job: event.at for event in events if isinstance(event.body, DecodeStarted)}
    for event in events:
        if isinstance(event.body, DecodeTimedOut):
            assert 1.9e9 < event.at - began[event.body.job] < 3.5e9
    await until(lambda: processes_with(mark) == [daemon.process.pid], 2)
    assert not list((daemon.state_dir / "coredumps").glob("*/work-*"))


@pytest.mark.slow
async def test_a_stop_with_ten_decodes_takes_a_second_and_the_next_start_finishes_them(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path
) -> None:
    hang = configure(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.run(['sleep', '60'])")
    arguments = (f"b={terminal.path}", *hang, "--decode-coredumps", "10")
    daemon = await bench.start(*arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in range(10):
            await terminal.send(printed_dump(container(3000, number)) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted, count=10)
        await until(lambda: len(processes_of(daemon.process.pid)) == 20, 10)
        pids = processes_of(daemon.process.pid)
        stopped = trio.current_time()
        assert await daemon.stop() == 0
        assert trio.current_time() - stopped < 1
        await viewer.receive_to_end()
    await ended(pids)
    check_each_job_ends_once(viewer.events)
    assert len(bodies(viewer.events, DecodeCancelled)) == 10
    assert states(daemon) == ["queued"] * 10

    done = "print(json.dumps({'report': {'reason': 'fine'}, 'text': 'fine'}))"
    again = await bench.start(f"b={terminal.path}", *configure(tmp_path, done))
    async with again.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(DecodeFinished, count=10)
    assert await again.stop() == 0
    assert states(again) == ["done"] * 10


@pytest.mark.slow
async def test_a_kill_while_decoding_leaves_no_decoder_and_the_next_start_finishes(
    bench: Bench, terminal: BoardTerminal
) -> None:
    # Deep enough in the queue of our own decoder that one runs at any moment; each takes a fraction of a second.
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        text = CRASH.read_bytes()
        dump = text[text.index(b"================= CORE DUMP START") :].partition(
            b"CORE DUMP END =================\r\n"
        )
        for _ in range(6):
            await terminal.send(b"".join(dump[:2]) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted, count=2)
        pids = processes_of(daemon.process.pid)
        await daemon.kill()
    await ended(pids)
    again = await bench.start(f"b={terminal.path}", "--elf", str(FIRMWARE_ELF))
    async with again.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        for number in range(1, 7):
            await viewer.wait_for(DecodeFinished, is_of(number))
    assert await again.stop() == 0
    assert states(again) == ["done"] * 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        pytest.param("time.sleep(60)", id="hangs"),
        pytest.param("os.close(0); time.sleep(60)", id="closes its input"),
        pytest.param("signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.run(['sleep', '60'])", id="child"),
        pytest.param("os.execvp('sleep', ['sleep', '60'])", id="another program"),
    ],
)
async def test_a_configured_decoder_does_not_outlive_a_daemon_that_is_killed(
    bench: Bench, terminal: BoardTerminal, tmp_path: Path, mark: str, program: str
) -> None:
    arguments = (f"b={terminal.path}", *configure(tmp_path, f"open('here', 'w').close(); {program}"))
    daemon = await bench.start(*arguments)
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(printed_dump(container(3000, 1)) + b"rst:0xc (SW),boot:0x13 ()\r\n")
        await viewer.wait_for(DecodeStarted)
        await until(lambda: bool(list((daemon.state_dir / "coredumps").glob("*/work-*/here"))), 10)
        await until(lambda: len(processes_of(daemon.process.pid)) == 1 + ("run(" in program), 10)
        pids = processes_with(mark)
        await daemon.kill()
    await ended(pids)
    assert states(daemon) in (["queued"], ["running"])
