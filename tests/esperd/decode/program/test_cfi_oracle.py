import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.dwarf.callframe import FDE, CFARule, RegisterRule as OracleRule
from elftools.elf.elffile import ELFFile

from esperd.decode.program import CfaRule, Program, RegisterRule
from esperd.decode.program.elf import ElfFile
from esperd.decode.program.unwinding import CfiUnwinder

_KINDS = {
    OracleRule.UNDEFINED: "undefined",
    OracleRule.SAME_VALUE: "same_value",
    OracleRule.OFFSET: "offset",
    OracleRule.VAL_OFFSET: "value_offset",
    OracleRule.REGISTER: "register",
}


@pytest.fixture
def unwinder(greenhouse_path: Path) -> Iterator[CfiUnwinder]:
    with contextlib.closing(ElfFile.open(greenhouse_path)) as elf:
        yield CfiUnwinder(elf)


def test_rows_are_those_that_pyelftools_decodes(any_elf_path: Path) -> None:
    checked = 0
    with contextlib.closing(ElfFile.open(any_elf_path)) as elf, any_elf_path.open("rb") as file:
        unwinder = CfiUnwinder(elf)
        entries = [entry for entry in ELFFile(file).get_dwarf_info().CFI_entries() if isinstance(entry, FDE)]
        live = [entry for entry in entries if entry["initial_location"] and entry["address_range"]]
        rng = random.Random(2)  # noqa: S311 - the same choice in every run
        for entry in rng.sample(live, min(80, len(live))):
            table = entry.get_decoded().table
            for index, expected in enumerate(table):
                end = entry["initial_location"] + entry["address_range"]
                following = table[index + 1]["pc"] if index + 1 < len(table) else end
                if following <= expected["pc"]:
                    continue
                row = unwinder.row_at(following - 1)
                assert row is not None
                assert (row.low_pc, row.high_pc) == (entry["initial_location"], end)
                cfa = expected["cfa"]
                assert isinstance(cfa, CFARule)
                assert row.cfa == CfaRule(cfa.reg or 0, cfa.offset or 0)
                for register, rule in expected.items():
                    if isinstance(register, int):
                        assert row.registers[register].kind == _KINDS[rule.type]
                        assert row.registers[register].operand == (rule.arg or 0)
                checked += 1
    assert checked > 40


def test_a_function_starts_with_the_stack_pointer_as_cfa_although_no_offset_was_given(
    greenhouse: Program, unwinder: CfiUnwinder
) -> None:
    function = greenhouse.symbol_named("app_main")
    assert function is not None

    row = unwinder.row_at(function.address)

    assert row is not None
    assert row.cfa == CfaRule(2, 0)
    assert row.return_register == 1
    assert row.registers == {}


def test_the_outermost_function_has_no_return_address(greenhouse: Program, unwinder: CfiUnwinder) -> None:
    wrapper = greenhouse.symbol_named("vPortTaskWrapper")
    assert wrapper is not None
    row = unwinder.row_at(wrapper.address + wrapper.size - 1)

    assert row is not None
    assert row.registers[1] == RegisterRule("undefined")


@pytest.mark.parametrize("pc", [0, 0x2000_0000, 0xFFFF_FFFF])
def test_addresses_without_code_have_no_rules(unwinder: CfiUnwinder, pc: int) -> None:
    assert unwinder.row_at(pc) is None
