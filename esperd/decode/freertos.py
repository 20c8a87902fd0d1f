"""FreeRTOS task control blocks: name, priorities and stack use, by the layout that the program's DWARF gives.

Source: FreeRTOS-Kernel tasks.c, struct tskTaskControlBlock.
"""

from dataclasses import dataclass
from typing import Final

from esperd.decode.memory import Memory
from esperd.decode.program import Member, Program

# ESP-IDF's layout when the program has no debug information: pointer, two list items, priority, stack, name.
_FALLBACK: Final = {
    "pxTopOfStack": Member(0, 4),
    "xStateListItem": Member(4, 20),
    "uxPriority": Member(44, 4),
    "pxStack": Member(48, 4),
    "pcTaskName": Member(52, 16),
}
_MAX_NAME_BYTES: Final = 64
# The last member of ListItem_t points to the list that holds the item. Source: FreeRTOS-Kernel include/list.h.
_STATE_ITEMS: Final = ("xStateListItem", "xGenericListItem")
_CONTAINER: Final = Member(16, 4)


@dataclass(frozen=True, slots=True)
class TaskBlock:
    """What a control block says; null where it does not, or where the dump lacks it.

    ``core`` is the one that the task is pinned to, 0x7FFFFFFF for none; ``waits_in`` is the address of the list that
    the task is in: of those that are ready, delayed, or wait for something.
    """

    name: str | None
    priority: int | None
    base_priority: int | None
    top_of_stack: int | None
    stack_start: int | None
    stack_end: int | None
    core: int | None
    waits_in: int | None

    @property
    def stack_used(self) -> int | None:
        """Bytes between the end of the stack and where it stood when the task was last switched out."""
        if self.stack_end is None or self.top_of_stack is None:
            return None
        return abs(self.stack_end - self.top_of_stack)

    @property
    def stack_free(self) -> int | None:
        """Bytes that were left then."""
        if self.stack_start is None or self.top_of_stack is None:
            return None
        return abs(self.top_of_stack - self.stack_start)


def task_layout(program: Program | None) -> dict[str, Member]:
    """Where the members of a control block are."""
    if program is None:
        return _FALLBACK
    return program.structure("TCB_t", in_unit_of="vTaskSwitchContext") or program.structure("TCB_t") or _FALLBACK


def read_task_block(memory: Memory, tcb: int, layout: dict[str, Member]) -> TaskBlock:
    """Reads the control block at *tcb*."""

    def number(member_name: str) -> int | None:
        member = layout.get(member_name)
        data = None if member is None else memory.read(tcb + member.offset, min(member.size, 4))
        return None if data is None else int.from_bytes(data, "little")

    name_member = layout.get("pcTaskName")
    raw = None if name_member is None else memory.read(tcb + name_member.offset, min(name_member.size, _MAX_NAME_BYTES))
    name = None if raw is None else raw.split(b"\0")[0].decode("ascii", "backslashreplace")
    return TaskBlock(
        name,
        number("uxPriority"),
        number("uxBasePriority"),
        number("pxTopOfStack"),
        number("pxStack"),
        number("pxEndOfStack"),
        number("xCoreID"),
        _container(memory, tcb, layout),
    )


def _container(memory: Memory, tcb: int, layout: dict[str, Member]) -> int | None:
    item = next((layout[name] for name in _STATE_ITEMS if name in layout), None)
    if item is None or item.size != _CONTAINER.offset + _CONTAINER.size:
        return None
    return memory.word(tcb + item.offset + _CONTAINER.offset)
