import random
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from esperd.decode.program import Program


def _oracle(path: Path) -> list[tuple[str, int, int, str, bool]]:
    """Name, address, size, type, is_global of the symbols in loaded sections, read by pyelftools."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        loaded = {index for index in range(elf.num_sections()) if elf.get_section(index)["sh_flags"] & 2}
        return [
            (
                symbol.name,
                symbol["st_value"],
                symbol["st_size"],
                symbol["st_info"]["type"],
                symbol["st_info"]["bind"] != "STB_LOCAL",
            )
            for symbol in table.iter_symbols()
            if symbol["st_shndx"] in loaded
        ]


def test_every_global_symbol_is_found_by_its_name(any_program: Program, any_elf_path: Path) -> None:
    expected = [entry for entry in _oracle(any_elf_path) if entry[4] and entry[3] in ("STT_FUNC", "STT_OBJECT")]

    assert len(expected) > 50
    for name, address, size, _, _ in expected:
        symbol = any_program.symbol_named(name)
        assert symbol is not None
        assert (symbol.address, symbol.size) == (address, size)


def test_an_address_inside_a_function_belongs_to_its_symbol_or_an_alias(
    any_program: Program, any_elf_path: Path
) -> None:
    functions = [entry for entry in _oracle(any_elf_path) if entry[3] == "STT_FUNC" and entry[2] > 0]
    spans = {(address, size) for _, address, size, _, _ in functions}
    starts = sorted({address for address, _ in spans})

    rng = random.Random(1)  # noqa: S311 - the same choice in every run
    for _, address, size, _, _ in rng.sample(functions, min(300, len(functions))):
        inside = address + size - 1
        if any(address < start <= inside for start in starts):
            continue
        symbol = any_program.symbol_at(inside)
        assert symbol is not None
        assert (symbol.address, symbol.size) in spans
        assert symbol.address == address


def test_no_symbol_is_given_to_addresses_outside_sections_and_beyond_sizes(greenhouse: Program) -> None:
    assert greenhouse.symbol_at(0) is None
    assert greenhouse.symbol_at(0xFFFF_FFFF) is None
    stack = greenhouse.symbol_named("main_stack")
    assert stack is not None
    assert greenhouse.symbol_at(stack.address + stack.size - 1) == stack
    assert greenhouse.symbol_at(stack.address + stack.size) != stack


def test_names_that_do_not_exist_are_unknown(greenhouse: Program) -> None:
    assert greenhouse.symbol_named("no_such_function") is None
    assert greenhouse.symbol_named("") is None
