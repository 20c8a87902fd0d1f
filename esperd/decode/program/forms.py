"""Attribute values of DIEs, as numbers, bytes or strings' places (DWARF 5, 7.5.5 and 7.5.6).

References stay relative to their unit, strings and addresses by index stay indices: `units.Unit` resolves them.
"""

from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.abbreviations import FIXED_SIZES
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.reading import U16, U32, read_sleb, read_string, read_uleb

Value = int | bytes | str

_ULEB_FORMS: Final = frozenset(
    (dw.FORM_UDATA, dw.FORM_REF_UDATA, dw.FORM_STRX, dw.FORM_ADDRX, dw.FORM_LOCLISTX, dw.FORM_RNGLISTX)
)


def read_form(data: bytes, position: int, form: int, implicit_constant: int) -> tuple[int, Value, int]:
    """The form (indirect ones resolved), the value and the position after it."""
    if form == dw.FORM_FLAG_PRESENT:
        return form, 1, position
    if form == dw.FORM_IMPLICIT_CONST:
        return form, implicit_constant, position
    size = FIXED_SIZES.get(form)
    if size is not None:
        end = position + size
        if end > len(data):
            raise DamagedProgramError("a DIE ends after its section")
        if form == dw.FORM_DATA16:
            return form, data[position:end], end
        return form, int.from_bytes(data[position:end], "little"), end
    value, position = _read_variable(data, position, form)
    if form == dw.FORM_INDIRECT:
        if value in (dw.FORM_INDIRECT, dw.FORM_IMPLICIT_CONST):
            raise DamagedProgramError("an indirect form names no form")
        return read_form(data, position, int(value), 0)
    return form, value, position


def _read_variable(data: bytes, position: int, form: int) -> tuple[Value, int]:
    if form in _ULEB_FORMS or form == dw.FORM_INDIRECT:
        return read_uleb(data, position)
    if form == dw.FORM_SDATA:
        return read_sleb(data, position)
    if form == dw.FORM_STRING:
        return read_string(data, position)
    return _read_block(data, position, form)


def _read_block(data: bytes, position: int, form: int) -> tuple[bytes, int]:
    if form in (dw.FORM_EXPRLOC, dw.FORM_BLOCK):
        size, position = read_uleb(data, position)
    elif form == dw.FORM_BLOCK1:
        size, position = data[position], position + 1
    elif form == dw.FORM_BLOCK2:
        size, position = int(U16.unpack_from(data, position)[0]), position + 2
    elif form == dw.FORM_BLOCK4:
        size, position = int(U32.unpack_from(data, position)[0]), position + 4
    else:
        raise DamagedProgramError(f"a DIE has the unknown form {form:#x}")
    end = position + size
    if end > len(data):
        raise DamagedProgramError("a DIE ends after its section")
    return data[position:end], end
