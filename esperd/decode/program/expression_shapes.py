"""What expressions are when they are only a register, a place on the stack, or what a register points to."""

from esperd.decode.program.reading import read_sleb, read_uleb


def register_of(expression: bytes) -> int | None:
    """The register that an expression names and nothing more: DW_OP_reg, DW_OP_regx or DW_OP_regval_type."""
    if not expression:
        return None
    opcode = expression[0]
    if 0x50 <= opcode <= 0x6F:
        number, end = opcode - 0x50, 1
    elif opcode == 0x90:
        number, end = read_uleb(expression, 1)
    elif opcode in (0xA5, 0xF5):
        number, end = read_uleb(expression, 1)
        _, end = read_uleb(expression, end)
    else:
        return None
    return number if expression[end:] in (b"", b"\xf0") else None


def dereferenced_register_of(expression: bytes) -> int | None:
    """The register whose pointee an expression names: DW_OP_bregN 0 and DW_OP_deref."""
    if not expression or not 0x70 <= expression[0] <= 0x8F:
        return None
    is_dereference = expression[1:] in (b"\x00\x06", b"\x00\x94\x04")
    return expression[0] - 0x70 if is_dereference else None


def frame_offset_of(expression: bytes) -> int | None:
    """The distance that an expression of a single DW_OP_fbreg has."""
    if expression[:1] != b"\x91":
        return None
    offset, end = read_sleb(expression, 1)
    return offset if end == len(expression) else None


def stack_offset_of(expression: bytes) -> int | None:
    """The distance from the stack pointer where an expression is that alone: DW_OP_breg1 on Xtensa, breg2 on RISC-V.

    At a call the stack pointer is the CFA of the callee, which its frame base (DW_OP_call_frame_cfa) counts from.
    """
    if expression[:1] not in (b"\x71", b"\x72"):
        return None
    offset, end = read_sleb(expression, 1)
    return offset if end == len(expression) else None
