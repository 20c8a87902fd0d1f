"""Core dumps that wait for an ELF file, and boards whose next one would."""

from collections.abc import Iterator
from typing import Final

from esper_protocol.records import CoredumpRecord
from esperctl.doctor.findings import Finding, fine
from esperctl.doctor.machine import Machine
from esperctl.doctor.survey import Answer, Survey
from esperctl.units import plural

_SHOWN: Final = 3


def check(machine: Machine, survey: Survey) -> Iterator[Finding]:
    """One finding for each ELF file that is missing, whoever needs it, and for decodes that failed."""
    del machine
    for answer in survey.answers:
        waiting = list(_waiting(answer))
        yield from waiting
        yield from _ambiguous(answer)
        yield from _failed(answer)
        unknown = list(_unknown_programs(answer))
        yield from unknown
        if not waiting and not unknown and (answer.elfs or answer.coredumps):
            known = plural(len(answer.elfs), "ELF file")
            yield fine("elfs", answer.daemon.state_dir, f"no core dump waits for a program; {known} stored")


def _waiting(answer: Answer) -> Iterator[Finding]:
    by_program: dict[str | None, list[CoredumpRecord]] = {}
    for dump in _in_state(answer, "no_elf"):
        by_program.setdefault(dump.app_sha256, []).append(dump)
    for sha256, dumps in by_program.items():
        which = f"whose SHA-256 begins with {sha256}" if sha256 else "(the dumps do not say which)"
        yield Finding(
            code="no_elf",
            severity="warning",
            subject=_ids(dumps),
            what=f"waits for the ELF file of its program, {which}",
            mend="esperctl elf add build/    # of that very build",
        )


def _ambiguous(answer: Answer) -> Iterator[Finding]:
    dumps = _in_state(answer, "ambiguous_elf")
    if dumps:
        yield Finding(
            code="ambiguous_elf",
            severity="warning",
            subject=_ids(dumps),
            what="fits several of the stored ELF files",
            mend=f"esperctl coredumps decode {dumps[-1].id} --elf build/app.elf",
        )


def _failed(answer: Answer) -> Iterator[Finding]:
    dumps = [*_in_state(answer, "failed"), *_in_state(answer, "timed_out")]
    if dumps:
        yield Finding(
            code="decode_failed",
            severity="note",
            subject=_ids(dumps),
            what=f"was not decoded: {dumps[-1].decode.error or dumps[-1].decode.state}",
            mend=f"esperctl coredumps decode {dumps[-1].id}",
        )


def _unknown_programs(answer: Answer) -> Iterator[Finding]:
    for board in answer.boards:
        sha256 = (board.app_sha256 or "").lower()
        # Arduino and PlatformIO print zeros: that is no program's. Those of simulated boards come with the daemon.
        is_of_a_file = sha256.strip("0") and not board.port.startswith("sim:")
        if is_of_a_file and not any(elf.sha256.startswith(sha256) for elf in answer.elfs):
            yield Finding(
                code="elf_unknown",
                severity="note",
                subject=board.board,
                what=f"the ELF file of its program{f' {board.project}' if board.project else ''}, {sha256}, is not"
                " stored, so its next crash has no function names",
                mend="esperctl elf add build/",
            )


def _in_state(answer: Answer, state: str) -> list[CoredumpRecord]:
    known = {board.board for board in answer.boards}
    return [dump for dump in answer.coredumps if dump.decode.state == state and (dump.board in known or not known)]


def _ids(dumps: list[CoredumpRecord]) -> str:
    shown = ", ".join(dump.id for dump in dumps[-_SHOWN:])
    return shown if len(dumps) <= _SHOWN else f"{shown} and {len(dumps) - _SHOWN} more"
