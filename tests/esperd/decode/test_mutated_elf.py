"""Real programs with damage where they are read: headers, and each kind of debug information.

The full measure is taken with ESPER_MUTATIONS, as for the dumps; a tenth of it are programs.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import trio

from esperd.decode.decoder import decode_core_dump
from esperd.decode.errors import DecodeError
from esperd.decode.program import ProgramError
from esperd.decode.program.elf import ElfFile
from esperd.decode.report_text import format_report
from esperd.simulation.scenarios import FIRMWARE_ELF, RECORDINGS
from esperd.testing.budget import processor_budget

MUTATIONS: Final = int(os.environ.get("ESPER_MUTATIONS", "2000")) // 10
# A decode takes 0.01 to 0.1 s here; one that draws on its account of work to the end some 10 s.
BUDGET_S: Final = 40.0
CRASH: Final = RECORDINGS / "crash.raw"
_PARSED: Final = (".debug", ".symtab", ".strtab", ".shstrtab", ".eh_frame")
_BYTES: Final = (0x00, 0x01, 0x7F, 0x80, 0xFF)
_WORDS: Final = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


class Known(NamedTuple):
    """A program, a dump of it, and where in the file is what decoding reads."""

    name: str
    elf: bytes
    dump: bytes
    extents: list[tuple[int, int]]


def known_programs() -> Iterator[Known]:
    """Ours, and those of the corpus where it is set."""
    pairs = [("shipped", FIRMWARE_ELF, CRASH)]
    if "ESPER_CORPUS" in os.environ:
        corpus = Path(os.environ["ESPER_CORPUS"])
        index: dict[str, str] = json.loads((corpus / "dumps" / "index.json").read_bytes())
        by_elf = {elf.removesuffix(".elf"): name for name, elf in index.items()}
        pairs += [
            (elf, corpus / "elf" / f"{elf}.elf", corpus / "dumps" / f"{name}.b64") for elf, name in by_elf.items()
        ]
    for name, elf, dump in pairs:
        yield Known(name, elf.read_bytes(), dump.read_bytes(), extents_of(elf))


def extents_of(path: Path) -> list[tuple[int, int]]:
    elf = ElfFile.open(path)
    elf.close()
    sections = [(part.offset, part.size) for part in elf.sections if part.name.startswith(_PARSED) and part.size]
    headers_at = int.from_bytes(path.read_bytes()[32:36], "little")
    return [(0, 52), (headers_at, 40 * len(elf.sections)), *sections]


def damaged(known: Known, generator: random.Random) -> bytes:
    data = bytearray(known.elf)
    for _ in range(generator.choice((1, 1, 2))):
        offset, size = generator.choice(known.extents)
        for _ in range(generator.choice((1, 4, 30, 200, 2000))):
            at = offset + generator.randrange(size)
            if generator.random() < 0.3:
                data[at : at + 4] = generator.choice(_WORDS).to_bytes(4, "little")
            else:
                data[at] = generator.choice((*_BYTES, generator.randrange(256)))
        if generator.random() < 0.1:
            start = offset + generator.randrange(size)
            length = generator.randrange(offset + size - start)
            data[start : start + length] = bytes((generator.choice(_BYTES),)) * length
    return bytes(data)


def test_damaged_programs_give_a_report_or_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = list(known_programs())
    path = tmp_path / "damaged.elf"
    slowest_s, slowest_seed, reports, named = 0.0, -1, 0, 0
    for seed in range(MUTATIONS):
        generator = random.Random(seed)  # noqa: S311 - the same damage in every run
        known = generator.choice(programs)
        path.write_bytes(damaged(known, generator))
        started_s = time.process_time()
        try:
            with processor_budget(BUDGET_S):
                report = decode_core_dump(known.dump, path, force=True, with_locals=generator.random() < 0.5)
                assert format_report(report)
        except (DecodeError, ProgramError):
            pass
        except BaseException as error:
            error.add_note(f"with seed {seed}, program {known.name}")
            raise
        else:
            assert report.tasks
            reports += 1
            named += any(frame.function for frame in report.frames)
        slowest_s, slowest_seed = max((slowest_s, slowest_seed), (time.process_time() - started_s, seed))
    with capsys.disabled():
        if MUTATIONS >= 1000:
            print(f"\n{MUTATIONS} damaged programs: {reports} reports, slowest {slowest_s:.2f} s (seed {slowest_seed})")  # noqa: T201
    assert MUTATIONS // 2 < reports <= MUTATIONS
    assert named > reports // 2


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 90, 99])
def test_a_program_that_is_cut_off_is_a_clear_error(tmp_path: Path, percent: int) -> None:
    elf = FIRMWARE_ELF.read_bytes()
    path = tmp_path / "cut.elf"
    path.write_bytes(elf[: len(elf) * percent // 100])
    with pytest.raises(ProgramError, match=r"truncated|not a 32-bit"):
        decode_core_dump(CRASH.read_bytes(), path)


@pytest.mark.parametrize("seed", range(6))
async def test_the_client_says_what_it_is_in_one_sentence_and_leaves_no_file(tmp_path: Path, seed: int) -> None:
    known = next(known_programs())
    path = tmp_path / "damaged.elf"
    path.write_bytes(damaged(known, random.Random(1000 + seed)))  # noqa: S311 - the same damage in every run
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = await trio.run_process(
        [sys.executable, "-m", "esperctl", "coredumps", "decode", str(CRASH), "--elf", str(path), "--force"],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    errors = done.stderr.decode()
    assert "Traceback" not in errors
    if done.returncode:
        assert done.returncode == 1
        assert errors.startswith("esperctl: ")
        assert not done.stdout
    else:
        assert b"CURRENT THREAD STACK" in done.stdout
    assert list(temporary.iterdir()) == []
