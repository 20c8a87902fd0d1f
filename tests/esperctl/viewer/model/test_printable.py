"""Whatever a board, a daemon or a person says: all text in a view is printable."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import msgspec

from esper_protocol.events import (
    App,
    Boot,
    CoredumpProgress,
    CoredumpStarted,
    DecodeFailed,
    DecodeFinished,
    GdbStub,
    Line,
    Note,
    Panic,
    SessionLost,
    WriterChanged,
)
from esper_protocol.messages import CoredumpFile
from esper_protocol.records import DecodeRecord
from esperctl.viewer.effects import ListCoredumps, PinCoredump, StartScan
from esperctl.viewer.messages import (
    BoardsListed,
    CoredumpFetched,
    CoredumpsListed,
    Detached,
    EffectFailed,
    ScanProgressed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.esperctl.conftest import MakeBoard, MakeCoredump, MakeDaemon
    from tests.esperctl.viewer.model.conftest import MakeViewer, Viewer

EVIL = "\x1b[2J\x1b]52;c;eA==\x07\r\n\u202e\x9b5n"


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType] - of whatever it is
            yield from texts(part)  # pyright: ignore[reportUnknownArgumentType]
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


def check(viewer: Viewer) -> None:
    found = list(texts(viewer.view))
    assert len(found) > 10
    assert [text for text in found if not text.isprintable()] == []


def test_every_text_of_every_view_is_printable(
    make_viewer: MakeViewer,
    make_board: MakeBoard,
    make_coredump: MakeCoredump,
    make_daemon: MakeDaemon,
) -> None:
    viewer = make_viewer(160, 50)
    viewer.attach(
        board=make_board(EVIL, port=EVIL, project=EVIL, app_version=EVIL, chip=EVIL, app_sha256=EVIL),
        is_writer=False,
        writer=EVIL,
    )
    check(viewer)
    viewer.press("w")
    check(viewer)
    viewer.press("n")
    seq = viewer.next_seq
    viewer.happen(
        Line(EVIL.encode(), 2, "fragment"),
        Boot(1, EVIL, EVIL, seq),
        App(EVIL, EVIL, EVIL, EVIL, 1, 2, EVIL),
        Panic("abort", EVIL, True, 0, EVIL, {EVIL: 1}, [(1, 2)], True, EVIL, seq, seq),
        GdbStub(EVIL, seq),
        SessionLost(EVIL, EVIL),
        Note(EVIL, EVIL),
        WriterChanged(EVIL, EVIL, stolen=True),
        CoredumpStarted(EVIL, seq),
        CoredumpProgress(EVIL, 1, 1, 1, None, 1.0),
        DecodeFailed(EVIL, EVIL, EVIL),
    )
    check(viewer)
    record = make_coredump(EVIL, board=EVIL, chip=EVIL, reason=EVIL, raw_path=EVIL, first_seq=10_000)
    record = msgspec.structs.replace(record, decode=DecodeRecord(state="failed", error=EVIL, elf_path=EVIL), note=EVIL)
    viewer.tell(CoredumpsListed((record,)))
    viewer.press("v")
    frame = {"function": EVIL, "file": EVIL, "pc": 1, "args": [{"name": EVIL, "value": EVIL}]}
    report = {
        "reason": EVIL,
        "tasks": [{"name": EVIL, "crashed": True, "frames": [frame], "unwind_stop": EVIL, "registers": {EVIL: 1}}],
        "warnings": [EVIL],
        "memory": [{"name": EVIL, "flags": EVIL}],
        "places": [frame],
        "elf_match": EVIL,
        "decoder": {"backend": EVIL, "version": EVIL, "seconds": 1},
    }
    viewer.tell(CoredumpFetched(record, (CoredumpFile(EVIL, 1),), json.dumps(report)))
    check(viewer)
    viewer.tell(CoredumpFetched(record, (), EVIL))
    check(viewer)
    viewer.happen(DecodeFinished(EVIL, EVIL, 1.0, EVIL, json.dumps(report)))
    viewer.press("escape", "g")
    viewer.tell(BoardsListed(((make_daemon(EVIL), make_board(EVIL, state_detail=EVIL, state="absent", writer=EVIL)),)))
    check(viewer)
    viewer.press("escape", "/")
    viewer.type("x")
    viewer.press("enter")
    scan = next(effect for effect in reversed(viewer.effects) if isinstance(effect, StartScan))
    viewer.tell(ScanProgressed(scan.scan, is_finished=True, error=EVIL))
    viewer.tell(EffectFailed(PinCoredump(EVIL, pinned=True), "failed", EVIL, EVIL))
    viewer.tell(EffectFailed(ListCoredumps(), "failed", EVIL))
    viewer.tell(Detached(EVIL))
    check(viewer)
