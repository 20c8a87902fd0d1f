"""DWARF expressions: a stack machine whose result says where a value is (DWARF 5, 2.5 and 2.6).

The machine knows nothing about frames: an `ExpressionContext` gives it registers, memory and entry values. Untyped
numbers are unsigned and have 32 bits, the size of an address on all chips.
"""

from collections.abc import Callable
from typing import Final

from esperd.decode.program.arithmetic import (
    BINARY,
    COMPARISONS,
    GENERIC,
    BaseType,
    Typed,
    convert,
    from_bytes,
    to_bytes,
)
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.limits import MAX_EXPRESSION_STACK, MAX_OPERATIONS
from esperd.decode.program.places import (
    Computed,
    ExpressionContext,
    InMemory,
    InRegister,
    Nowhere,
    Piece,
    Place,
    PointsTo,
)
from esperd.decode.program.reading import read_sleb, read_uleb, signed

_ADDRESS_MASK: Final = 0xFFFFFFFF
# Most expressions have fewer: they are accounted for at once.
_OPERATIONS_A_TIME: Final = 16


def evaluate(expression: bytes, context: ExpressionContext, initial: tuple[int, ...] = ()) -> list[Piece]:
    """Runs *expression* on a stack that holds *initial*; the pieces are in the order of the value's bytes."""
    return _Machine(expression, context, initial).run()


def evaluate_number(expression: bytes, context: ExpressionContext, initial: tuple[int, ...] = ()) -> int:
    """Runs an expression whose result is a number or an address, not a place."""
    pieces = evaluate(expression, context, initial)
    place = pieces[0].place if len(pieces) == 1 else None
    match place:
        case InMemory(address):
            return address
        case InRegister(number):
            return context.register(number)
        case Computed(contents):
            return int.from_bytes(contents[:4], "little")
        case _:
            raise DamagedProgramError("an expression gives no number")


class _Machine:
    def __init__(self, expression: bytes, context: ExpressionContext, initial: tuple[int, ...]) -> None:
        self.code = expression
        self.context = context
        self.position = 0
        self.stack = [Typed(number, GENERIC) for number in initial]
        self.place: Place | None = None
        self.pieces: list[Piece] = []

    def run(self) -> list[Piece]:
        for step in range(MAX_OPERATIONS):
            if not step % _OPERATIONS_A_TIME:
                self.context.spend(_OPERATIONS_A_TIME)
            if self.position >= len(self.code):
                break
            opcode = self.code[self.position]
            self.position += 1
            self.step(opcode)
            if len(self.stack) > MAX_EXPRESSION_STACK:
                raise DamagedProgramError("an expression's stack grows without end")
        else:
            raise DamagedProgramError("an expression does not end")
        if self.pieces:
            return self.pieces
        return [Piece(self.take_place())]

    def step(self, opcode: int) -> None:
        if 0x30 <= opcode <= 0x4F:  # DW_OP_lit0..31
            self.push(opcode - 0x30)
        elif 0x50 <= opcode <= 0x6F:  # DW_OP_reg0..31
            self.place = InRegister(opcode - 0x50)
        elif 0x70 <= opcode <= 0x8F:  # DW_OP_breg0..31
            self.push(self.context.register(opcode - 0x70) + self.sleb())
        elif opcode in BINARY:
            right = self.pop()
            self.stack.append(BINARY[opcode](self.pop(), right))
        elif opcode in COMPARISONS:
            right = self.pop()
            self.push(int(COMPARISONS[opcode](self.pop(), right)))
        else:
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                raise DamagedProgramError(f"an expression has the unknown operator {opcode:#x}")
            operation(self)

    # Operands

    def uleb(self) -> int:
        value, self.position = read_uleb(self.code, self.position)
        return value

    def sleb(self) -> int:
        value, self.position = read_sleb(self.code, self.position)
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "little")

    def bytes(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.code):
            raise DamagedProgramError("an expression ends within an operand")
        found = self.code[self.position : end]
        self.position = end
        return found

    # The stack

    def push(self, number: int) -> None:
        self.stack.append(Typed(number & _ADDRESS_MASK, GENERIC))

    def pop(self) -> Typed:
        if not self.stack:
            raise DamagedProgramError("an expression takes from an empty stack")
        return self.stack.pop()

    def drop(self) -> None:
        self.pop()

    def pop_number(self) -> int:
        return int(self.pop().number) & _ADDRESS_MASK

    def pick(self, depth: int) -> None:
        if depth >= len(self.stack):
            raise DamagedProgramError("an expression takes from an empty stack")
        self.stack.append(self.stack[-1 - depth])

    def rotate(self) -> None:
        if len(self.stack) < 3:
            raise DamagedProgramError("an expression takes from an empty stack")
        self.stack.insert(-2, self.stack.pop())

    def swap(self) -> None:
        top, second = self.pop(), self.pop()
        self.stack += (top, second)

    # Operators

    def jump(self, *, if_nonzero: bool) -> None:
        distance = signed(self.number(2), 2)
        if if_nonzero and not self.pop().number:
            return
        self.position += distance
        if not 0 <= self.position <= len(self.code):
            raise DamagedProgramError("an expression jumps out of itself")

    def dereference(self, size: int, base: BaseType = GENERIC) -> None:
        contents = self.context.read_memory(self.pop_number(), size)
        self.stack.append(from_bytes(contents, base))

    def dereference_typed(self) -> None:
        size = self.number(1)
        base = self.context.base_type(self.uleb())
        self.dereference(size, base)

    def bregx(self) -> None:
        number = self.uleb()
        self.push(self.context.register(number) + self.sleb())

    def register_typed(self) -> None:
        number = self.uleb()
        base = self.context.base_type(self.uleb())
        self.stack.append(from_bytes(self.context.register(number).to_bytes(4, "little"), base))

    def constant_typed(self) -> None:
        base = self.context.base_type(self.uleb())
        self.stack.append(from_bytes(self.bytes(self.number(1)), base))

    def convert(self) -> None:
        base = self.context.base_type(self.uleb())
        self.stack.append(convert(self.pop(), base))

    def reinterpret(self) -> None:
        base = self.context.base_type(self.uleb())
        self.stack.append(from_bytes(to_bytes(self.pop()), base))

    def negate(self) -> None:
        top = self.pop()
        self.stack.append(convert(Typed(-top.number, top.base), top.base))

    def absolute(self) -> None:
        top = self.pop()
        number = signed(int(top.number), 4) if top.base == GENERIC else top.number
        self.stack.append(convert(Typed(abs(number), top.base), top.base))

    def implicit_pointer(self) -> None:
        offset = self.number(4)
        self.place = PointsTo(offset, self.sleb())

    def piece(self, bits: int, bit_offset: int = 0) -> None:
        self.pieces.append(Piece(self.take_place(), bits, bit_offset))

    def bit_piece(self) -> None:
        bits = self.uleb()
        self.piece(bits, self.uleb())

    def take_place(self) -> Place:
        place, self.place = self.place, None
        if place is not None:
            return place
        return InMemory(self.pop_number()) if self.stack else Nowhere()

    def set_place(self, place: Place) -> None:
        self.place = place


_Operation = Callable[[_Machine], None]

_OPERATIONS: Final[dict[int, _Operation]] = {
    0x03: lambda m: m.push(m.number(4)),  # DW_OP_addr
    0x06: lambda m: m.dereference(4),
    0x08: lambda m: m.push(m.number(1)),  # DW_OP_const1u and its kind
    0x09: lambda m: m.push(signed(m.number(1), 1)),
    0x0A: lambda m: m.push(m.number(2)),
    0x0B: lambda m: m.push(signed(m.number(2), 2)),
    0x0C: lambda m: m.push(m.number(4)),
    0x0D: lambda m: m.push(m.number(4)),
    0x0E: lambda m: m.push(m.number(8)),
    0x0F: lambda m: m.push(m.number(8)),
    0x10: lambda m: m.push(m.uleb()),
    0x11: lambda m: m.push(m.sleb()),
    0x12: lambda m: m.pick(0),  # DW_OP_dup
    0x13: lambda m: m.drop(),
    0x14: lambda m: m.pick(1),  # DW_OP_over
    0x15: lambda m: m.pick(m.number(1)),
    0x16: lambda m: m.swap(),
    0x17: lambda m: m.rotate(),
    0x19: lambda m: m.absolute(),
    0x1F: lambda m: m.negate(),
    0x20: lambda m: m.stack.append(convert(Typed(~int((top := m.pop()).number), top.base), top.base)),  # DW_OP_not
    0x23: lambda m: m.push(m.pop_number() + m.uleb()),  # DW_OP_plus_uconst
    0x28: lambda m: m.jump(if_nonzero=True),  # DW_OP_bra
    0x2F: lambda m: m.jump(if_nonzero=False),  # DW_OP_skip
    0x90: lambda m: m.set_place(InRegister(m.uleb())),  # DW_OP_regx
    0x91: lambda m: m.push(m.context.frame_base() + m.sleb()),  # DW_OP_fbreg
    0x92: lambda m: m.bregx(),
    0x93: lambda m: m.piece(8 * m.uleb()),
    0x94: lambda m: m.dereference(m.number(1)),  # DW_OP_deref_size
    0x96: lambda _: None,  # DW_OP_nop
    0x9C: lambda m: m.push(m.context.cfa()),
    0x9D: lambda m: m.bit_piece(),
    0x9E: lambda m: m.set_place(Computed(m.bytes(m.uleb()))),  # DW_OP_implicit_value
    0x9F: lambda m: m.set_place(Computed(to_bytes(m.pop()))),  # DW_OP_stack_value
    0xA0: lambda m: m.implicit_pointer(),
    0xA1: lambda m: m.push(m.context.address_at(m.uleb())),  # DW_OP_addrx
    0xA2: lambda m: m.push(m.context.address_at(m.uleb())),  # DW_OP_constx
    0xA3: lambda m: m.push(m.context.entry_value(m.bytes(m.uleb()))),
    0xA4: lambda m: m.constant_typed(),
    0xA5: lambda m: m.register_typed(),
    0xA6: lambda m: m.dereference_typed(),
    0xA8: lambda m: m.convert(),
    0xA9: lambda m: m.reinterpret(),
    0xF0: lambda _: None,  # DW_OP_GNU_uninit: the value may be uninitialised, GDB shows it all the same
    0xFA: lambda m: m.push(m.context.parameter_value(m.number(4))),  # DW_OP_GNU_parameter_ref
}
# The GNU operators that DWARF 5 took over.
_OPERATIONS.update(
    {
        gnu: _OPERATIONS[standard]
        for gnu, standard in (
            (0xF2, 0xA0),
            (0xF3, 0xA3),
            (0xF4, 0xA4),
            (0xF5, 0xA5),
            (0xF6, 0xA6),
            (0xF7, 0xA8),
            (0xF9, 0xA9),
            (0xFB, 0xA1),
            (0xFC, 0xA2),
        )
    }
)
