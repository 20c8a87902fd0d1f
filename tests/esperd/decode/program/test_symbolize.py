import random
import shutil
import subprocess
from bisect import bisect_right
from pathlib import Path

import pytest
from elftools.dwarf.lineprogram import LineState
from elftools.elf.elffile import ELFFile

from esperd.decode.program import Program
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.ranges import read_aranges


def _ranges(path: Path) -> list[tuple[int, int, int]]:
    elf = ElfFile.open(path)
    try:
        return list(read_aranges(elf.contents_named(".debug_aranges")))
    finally:
        elf.close()


def _some_pcs(path: Path, count: int) -> list[int]:
    rng = random.Random(7)  # noqa: S311 - the same choice in every run
    return [rng.randrange(low, high) for low, high, _ in rng.choices(_ranges(path), k=count)]


def test_the_crashing_function_is_found_with_its_line(greenhouse: Program) -> None:
    (frame,) = greenhouse.symbolize(0x8000_172C)

    assert frame.function == "store_value"
    assert (frame.file, frame.line) == ("/greenhouse/src/message.c", 30)
    assert not frame.is_inlined


def test_unknown_addresses_have_no_frames(greenhouse: Program) -> None:
    assert greenhouse.symbolize(0) == []
    assert greenhouse.symbolize(0x4000_0000) == []
    assert greenhouse.function_at(0x4000_0000) is None


def test_assembly_has_the_symbol_as_function_and_its_line(greenhouse: Program) -> None:
    (frame,) = greenhouse.symbolize(0x8000_0002)

    assert frame.function in ("_start", "_text_start")
    assert frame.file == "/greenhouse/src/start.S"
    assert frame.line == 8


def test_function_ranges_are_those_that_pyelftools_reads(any_program: Program, any_elf_path: Path) -> None:
    checked = 0
    with any_elf_path.open("rb") as file:
        units = list(ELFFile(file).get_dwarf_info().iter_CUs())
        rng = random.Random(3)  # noqa: S311 - the same choice in every run
        for unit in rng.sample(units, min(12, len(units))):
            for die in unit.iter_DIEs():
                if die.tag != "DW_TAG_subprogram" or "DW_AT_high_pc" not in die.attributes:
                    continue
                low = die.attributes["DW_AT_low_pc"].value
                high = die.attributes["DW_AT_high_pc"]
                end = high.value if high.form == "DW_FORM_addr" else low + high.value
                if low == 0 or end == low:
                    continue
                function = any_program.function_at(low)
                assert function is not None
                assert (function.low_pc, function.high_pc, function.entry_pc) == (low, end, low)
                assert any_program.function_at(end - 1) == function
                name = die.attributes.get("DW_AT_name")
                if name is not None:
                    assert function.name.split("::")[-1] == name.value.decode()
                checked += 1
    assert checked > 20


def _oracle_lines(unit_rows: list[list[LineState]], pc: int) -> set[int]:
    """The lines of all rows at the last address up to *pc* of the sequence that holds it."""
    for sequence in unit_rows:
        addresses = [state.address for state in sequence]
        if not addresses[0] <= pc < addresses[-1]:
            continue
        last = addresses[bisect_right(addresses, pc) - 1]
        return {state.line for state in sequence if state.address == last}
    return set()


def test_lines_are_those_of_the_rows_that_pyelftools_reads(any_program: Program, any_elf_path: Path) -> None:
    ranges = _ranges(any_elf_path)
    rng = random.Random(5)  # noqa: S311 - the same choice in every run
    chosen = set(rng.sample(sorted({unit for _, _, unit in ranges}), 6))
    agreed = total = 0
    with any_elf_path.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        for offset in chosen:
            unit = dwarf.get_CU_at(offset)
            sequences: list[list[LineState]] = [[]]
            program = dwarf.line_program_for_CU(unit)
            assert program is not None
            for entry in program.get_entries():
                if entry.state is None:
                    continue
                sequences[-1].append(entry.state)
                if entry.state.end_sequence:
                    sequences.append([])
            live = [rows for rows in sequences if rows and rows[0].address]
            for low, high, owner in ranges:
                if owner != offset:
                    continue
                for pc in range(low, high, max((high - low) // 40, 1)):
                    expected = _oracle_lines(live, pc) - {0}
                    row = any_program.symbolize(pc)[:1]
                    if not expected or not row:
                        continue
                    total += 1
                    agreed += row[0].line in expected
    assert total > 100
    # Rows of line 0 and of equal discriminators are left out as in GDB, so that a few show the row before.
    assert agreed >= 0.98 * total


def test_addr2line_names_the_same_functions_and_lines(any_program: Program, any_elf_path: Path) -> None:
    tool = shutil.which("riscv64-unknown-elf-addr2line" if any_program.machine == "riscv" else "addr2line")
    if tool is None:
        pytest.skip("addr2line is not installed")
    pcs = _some_pcs(any_elf_path, 300)
    command = [tool, "-afiC", "-e", str(any_elf_path), *map(hex, pcs)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answers: list[list[str]] = []
    for text in output.splitlines():
        if text.startswith("0x") and len(text) == 10:
            answers.append([])
        else:
            answers[-1].append(text)

    functions = lines = total = 0
    for pc, answer in zip(pcs, answers, strict=True):
        frames = any_program.symbolize(pc)
        for index, frame in enumerate(frames):
            if 2 * index + 1 >= len(answer) or answer[2 * index] == "??":
                break
            total += 1
            functions += answer[2 * index].split("(")[0].split("::")[-1] == frame.function.split("::")[-1]
            lines += answer[2 * index + 1].split(" (")[0].endswith(f":{frame.line}")
    assert total >= 300
    # addr2line names alias symbols for assembly and C++, and takes rows that start no statement, which GDB does not.
    assert functions >= 0.92 * total
    assert lines >= 0.92 * total


def test_gdb_names_the_same_lines_and_symbols(any_program: Program, any_elf_path: Path, tmp_path: Path) -> None:
    gdb = shutil.which("gdb-multiarch")
    if gdb is None:
        pytest.skip("gdb-multiarch is not installed")
    pcs = _some_pcs(any_elf_path, 300)
    script = tmp_path / "commands"
    script.write_text("set width 0\n" + "".join(f"info line *{pc}\n" for pc in pcs))
    command = [gdb, "-batch", "-nx", "-x", str(script), str(any_elf_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    answers = [text for text in output.splitlines() if text.startswith(("Line ", "No line"))]
    assert len(answers) == len(pcs)
    for pc, answer in zip(pcs, answers, strict=True):
        if not answer.startswith("Line "):
            continue
        frames = any_program.symbolize(pc)
        # "info line" has no frames, and an assembly label without a line has none either.
        if frames:
            assert answer.startswith(f'Line {frames[0].line} of "{frames[0].file}"')


def test_a_pair_of_zeros_does_not_end_a_set_of_ranges_as_it_does_for_pyelftools(riscv_corpus_path: Path) -> None:
    ours = {low for low, _, _ in _ranges(riscv_corpus_path)}
    with riscv_corpus_path.open("rb") as file:
        aranges = ELFFile(file).get_dwarf_info().get_aranges()
        assert aranges is not None
        theirs = {entry.begin_addr for entry in aranges.entries if entry.begin_addr}

    assert theirs < ours
    assert len(ours) - len(theirs) > 100
    with Program.open(riscv_corpus_path) as program:
        missing = sorted(ours - theirs)[:: max(len(ours - theirs) // 50, 1)]
        assert all(program.symbolize(pc) for pc in missing)


def test_units_that_have_no_aranges_are_found_by_their_own_ranges(greenhouse_path: Path, tmp_path: Path) -> None:
    data = bytearray(greenhouse_path.read_bytes())
    at = data.index(b".debug_aranges\0")
    data[at : at + 14] = b".debug_Aranges"
    path = tmp_path / "no_aranges.elf"
    path.write_bytes(data)

    with Program.open(greenhouse_path) as whole, Program.open(path) as without:
        for low, _, _ in _ranges(greenhouse_path):
            assert without.symbolize(low) == whole.symbolize(low)


def test_inlined_functions_stand_before_the_one_that_holds_them(riscv_corpus_path: Path) -> None:
    with Program.open(riscv_corpus_path) as program:
        frames = program.symbolize(0x4200_2630)

    assert [(frame.function, frame.is_inlined) for frame in frames] == [
        ("clk_ll_rtc_slow_store_cal", True),
        ("esp_clk_slowclk_cal_set", False),
    ]
    assert frames[0].file != frames[1].file
