"""Whether a program fits a dump that carries no hash: are its return addresses behind calls?

With the right program nearly all are, with another build of the same application about one in ten; the threshold
between them is a proposal that few samples support.
"""

from typing import Final

from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.riscv_scan import is_behind_call as is_behind_riscv_call

MATCHING_SHARE: Final = 0.8


def return_address_share(stacks: list[list[Frame]], space: AddressSpace) -> tuple[float, int]:
    """Which share of the return addresses in the application lies behind a call, and how many there are."""
    application = space.programs[0]
    total = good = 0
    for frames in stacks:
        for frame in frames[1:]:
            if not application.is_code(frame.pc - 1):
                continue
            total += 1
            is_behind = is_behind_xtensa_call if application.machine == "xtensa" else is_behind_riscv_call
            good += is_behind(space, frame.pc)
    return (good / total if total else 1.0), total


def is_behind_xtensa_call(space: AddressSpace, pc: int) -> bool:
    """Whether the instruction before *pc* is CALL4/8/12 or CALLX4/8/12 (three bytes each).

    Source: Xtensa ISA, CALL and CALLX formats: op0 5 with n in bits 5:4; CALLX has 3 in bits 7:6 and 0 in all others
    but those and the register's (11:8). NOP differs from it in bits 15:12 only.
    """
    data = space.read(pc - 3, 3)
    if data is None:
        return False
    word = int.from_bytes(data, "little")
    is_call = word & 0xF == 5 and word >> 4 & 3 != 0
    is_callx = word & 0xFFF00F == 0 and word >> 6 & 3 == 3 and word >> 4 & 3 != 0
    return is_call or is_callx
