"""From the registers of a task to all of its frames."""

from typing import Final

from esperd.decode.image import CoreImage, TaskImage
from esperd.decode.unwind import riscv, xtensa
from esperd.decode.unwind.frames import AddressSpace, Frame
from esperd.decode.unwind.xtensa_solicited import solicited_frame

MAX_FRAMES: Final = 128


def walk(image: CoreImage, task: TaskImage, space: AddressSpace) -> tuple[list[Frame], str]:
    """All frames, innermost first, and why the last one is the last."""
    if "pc" not in task.registers:
        return [], "its registers are not in the dump"
    frame = innermost(image, task, space)
    if task.is_stack_corrupt:
        return [frame], "the stack pointer was damaged"
    frames = [frame]
    seen = {(frame.pc, _stack_pointer(image, frame))}
    while len(frames) < MAX_FRAMES:
        if frame.pc in (0, xtensa.NO_CALLER_PC) or _is_entry(space, frame):
            return frames, "outermost"
        found = xtensa.caller_of(frame) if image.machine == "xtensa" else riscv.caller_of(frame, task.tcb)
        if isinstance(found, str):
            return frames, found
        key = (found.pc, _stack_pointer(image, found))
        if key in seen:
            return frames, "the same frame came twice"
        seen.add(key)
        between = riscv.tail_called(frame, found) if image.machine == "riscv" else []
        for following in (*between, found):
            frame.caller = following
            frames.append(following)
            frame = following
    return frames[:MAX_FRAMES], f"more than {MAX_FRAMES} frames"


def innermost(image: CoreImage, task: TaskImage, space: AddressSpace) -> Frame:
    """The frame that the task's registers describe."""
    if task.is_solicited:
        return solicited_frame(task, space)
    values = task.registers
    if image.machine == "xtensa":
        registers: dict[int, int | None] = {number: values.get(f"a{number}") for number in range(16)}
        return Frame(
            values["pc"], registers, space, is_innermost=True, how="registers", extra={"ps": values.get("ps", 0)}
        )
    ordered = list(values.values())
    numbered: dict[int, int | None] = dict(enumerate(ordered))
    numbered[0] = 0
    return Frame(values["pc"], numbered, space, is_innermost=True, how="registers")


def _stack_pointer(image: CoreImage, frame: Frame) -> int | None:
    return frame.registers.get(1 if image.machine == "xtensa" else riscv.SP)


def _is_entry(space: AddressSpace, frame: Frame) -> bool:
    """Whether the frame is in the function where the program starts, which nobody called."""
    program = space.program_at(frame.lookup_pc)
    if program is None or not program.entry:
        return False
    function = program.function_at(frame.lookup_pc)
    return function is not None and function.low_pc <= program.entry < function.high_pc
