import base64
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import esperd.simulation
from esperd.decode.program import Program

_RECORDINGS = Path(esperd.simulation.__file__).parent / "recordings"
_CORPUS_ELFS = (
    "1b43c5e74f2da138.elf",
    "6195d29bd92d8aa8.elf",
    "7d946a8e8cd5e419.elf",
    "a931845e01ec36f7.elf",
    "ab81a733d2da4ec6.elf",
)


@pytest.fixture(scope="session")
def recordings() -> Path:
    return _RECORDINGS


@pytest.fixture(scope="session")
def greenhouse_path() -> Path:
    return _RECORDINGS / "greenhouse.elf"


@pytest.fixture
def greenhouse(greenhouse_path: Path) -> Iterator[Program]:
    with Program.open(greenhouse_path) as program:
        yield program


def _elf_path(name: str) -> Path:
    if name == "greenhouse.elf":
        return _RECORDINGS / name
    corpus = os.environ.get("ESPER_CORPUS")
    if not corpus:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with firmware images of others")
    return Path(corpus) / "elf" / name


@pytest.fixture(scope="session")
def riscv_corpus_path() -> Path:
    return _elf_path("7d946a8e8cd5e419.elf")


@pytest.fixture(scope="session", params=("greenhouse.elf", *_CORPUS_ELFS))
def any_elf_path(request: pytest.FixtureRequest) -> Path:
    return _elf_path(str(request.param))


@pytest.fixture
def any_program(any_elf_path: Path) -> Iterator[Program]:
    with Program.open(any_elf_path) as program:
        yield program


class RecordedFrame:
    """A frame of a core dump, unwound by call frame information alone."""

    def __init__(
        self, program: Program, memory: list[tuple[int, bytes]], pc: int, registers: dict[int, int | None]
    ) -> None:
        self._program = program
        self._memory = memory
        self._registers = registers
        self.pc = pc
        self.is_innermost = True
        self.cfa: int | None = None
        self.caller: RecordedFrame | None = None

    def register(self, dwarf_number: int) -> int | None:
        return self._registers.get(dwarf_number)

    def read_memory(self, address: int, size: int) -> bytes | None:
        for start, contents in self._memory:
            if start <= address and address + size <= start + len(contents):
                return contents[address - start : address - start + size]
        return None

    def unwind(self) -> "list[RecordedFrame]":
        frames: list[RecordedFrame] = [self]
        while len(frames) < 32:
            last = frames[-1]
            step = self._program.unwind_with_cfi(last)
            if step is None:
                break
            pc, registers, last.cfa = step
            if pc is None:
                break
            last.caller = RecordedFrame(self._program, self._memory, pc, registers)
            last.caller.is_innermost = False
            frames.append(last.caller)
        return frames


def _core_of(recording: bytes) -> bytes:
    """The ELF core of a recorded dump: its lines are padded base64 each, the container's header has 24 bytes."""
    text = recording.split(b"CORE DUMP START =================")[1].split(b"=================")[0]
    return b"".join(base64.b64decode(line) for line in text.split())[24:]


@pytest.fixture
def crashed_frames(greenhouse: Program) -> list[RecordedFrame]:
    """The frames of the task that crashed in the recorded run, innermost first."""
    elf = ELFFile(io.BytesIO(_core_of((_RECORDINGS / "crash.raw").read_bytes())))
    memory = [(segment["p_vaddr"], segment.data()) for segment in elf.iter_segments("PT_LOAD")]
    notes = next(segment for segment in elf.iter_segments("PT_NOTE")).data()
    name_size, _, kind = struct.unpack_from("<III", notes)
    assert kind == 1, "the status of the crashed task comes first"
    words = struct.unpack_from("<32I", notes, 12 + (name_size + 3) // 4 * 4 + 72)
    registers: dict[int, int | None] = {0: 0, **dict(enumerate(words[1:], 1))}
    return RecordedFrame(greenhouse, memory, words[0], registers).unwind()
