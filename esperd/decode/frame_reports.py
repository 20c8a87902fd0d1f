"""A physical frame into the functions that stand at it, inlined ones first."""

from typing import Final

from esperd.decode.program import Variable
from esperd.decode.report import ArgumentReport, FrameReport
from esperd.decode.unwind.frames import Frame

# Damaged line tables count to numbers that no other program reads.
_LINES: Final = 1 << 31


def describe_frame(
    frame: Frame, level: int, *, with_arguments: bool = True, with_locals: bool = False
) -> list[FrameReport]:
    """One report for each function; *level* is the first one's number."""
    program = frame.space.program_at(frame.lookup_pc)
    sources = [] if program is None else program.symbolize(frame.lookup_pc)
    if program is None or not sources:
        symbol = None if program is None else program.symbol_at(frame.lookup_pc)
        name = None if symbol is None else symbol.name
        return [FrameReport(level, frame.pc, name, None, None, False, [], [], frame.how, True)]
    reports: list[FrameReport] = []
    for depth, source in enumerate(sources):
        # GDB shows no address where a statement begins, and none for the functions that code was inlined into.
        shows_address = depth == 0 and not (frame.is_innermost and source.row_is_exact)
        reports.append(
            FrameReport(
                level + depth,
                frame.pc,
                source.function,
                source.file,
                source.line if source.line is not None and 0 <= source.line < _LINES else None,
                source.is_inlined,
                _described(program.arguments(frame, inlined_depth=depth)) if with_arguments else [],
                _described(program.local_variables(frame, inlined_depth=depth)) if with_locals else [],
                frame.how,
                shows_address,
            )
        )
    return reports


def _described(variables: list[Variable]) -> list[ArgumentReport]:
    return [ArgumentReport(variable.name, variable.type, variable.value) for variable in variables]
