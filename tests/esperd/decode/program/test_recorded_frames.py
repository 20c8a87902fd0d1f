from pathlib import Path

from esperd.decode.program import FrameContext, Member, Program, Variable


def _texts(variables: list[Variable]) -> list[str]:
    return [f"{variable.name}={variable.value}" for variable in variables]


class _Orphan:
    """A frame whose caller is not known."""

    caller = None

    def __init__(self, frame: FrameContext) -> None:
        self._frame = frame
        self.pc, self.is_innermost, self.cfa = frame.pc, frame.is_innermost, frame.cfa

    def register(self, dwarf_number: int) -> int | None:
        return self._frame.register(dwarf_number)

    def read_memory(self, address: int, size: int) -> bytes | None:
        return self._frame.read_memory(address, size)


def _functions(program: Program, frames: list[FrameContext]) -> list[str]:
    pcs = [frame.pc if frame.is_innermost else frame.pc - 1 for frame in frames]
    return [program.symbolize(pc)[0].function for pc in pcs]


def test_call_frame_information_leads_from_the_crash_to_the_start_of_the_task(
    greenhouse: Program, crashed_frames: list[FrameContext]
) -> None:
    assert _functions(greenhouse, crashed_frames) == [
        "store_value",
        "parse_field",
        "process_message",
        "command_crash",
        "console_run",
        "console_task",
        "app_main",
        "main_task",
        "vPortTaskWrapper",
    ]


def test_arguments_are_printed_with_the_values_at_entry(
    greenhouse: Program, crashed_frames: list[FrameContext]
) -> None:
    assert [_texts(greenhouse.arguments(frame)) for frame in crashed_frames] == [
        ["setting=0x0", "value=value@entry=2350"],
        ['field=field@entry=0x8000253a "gain=2350"', "index=index@entry=1"],
        ["message=message@entry=0x80021df4 <main_stack+3956>", "max_fields=max_fields@entry=8"],
        ['argument=argument@entry=0x80021e2d <main_stack+4013> ""'],
        ['text=text@entry=0x80021e28 <main_stack+4008> "crash"'],
        ["argument=argument@entry=0x0"],
        [],
        ["argument=<error reading variable: value has been optimized out>"],
        ["pxCode=<optimized out>", "pvParameters=<optimized out>"],
    ]


def test_local_variables_are_printed_in_full(greenhouse: Program, crashed_frames: list[FrameContext]) -> None:
    command, task = crashed_frames[3], crashed_frames[5]

    assert _texts(greenhouse.local_variables(command)) == [
        'message={id = 42, topic = 0x8000251c "greenhouse/settings", payload = 0x80002530 "offset=12;gain=2350"}',
        "fields=<optimized out>",
    ]
    assert _texts(greenhouse.local_variables(task)) == [
        'command="crash"',
        "received=<optimized out>",
        "ready_at_ms=217",
    ]


def test_types_are_named_as_in_c(greenhouse: Program, crashed_frames: list[FrameContext]) -> None:
    names = {
        variable.name: variable.type
        for frame in crashed_frames
        for variable in (*greenhouse.arguments(frame), *greenhouse.local_variables(frame))
    }

    assert names["setting"] == "struct setting *"
    assert names["field"] == "const char *"
    assert names["message"] == "const struct message"
    assert names["command"] == "char [6]"
    assert names["pxCode"] == "TaskFunction_t"


def test_a_depth_that_does_not_exist_has_no_variables(greenhouse: Program, crashed_frames: list[FrameContext]) -> None:
    assert greenhouse.arguments(crashed_frames[0], inlined_depth=1) == []
    assert greenhouse.arguments(crashed_frames[0], inlined_depth=-1) == []
    assert greenhouse.local_variables(crashed_frames[0], inlined_depth=9) == []


def test_without_a_caller_a_frame_has_no_entry_values(greenhouse: Program, crashed_frames: list[FrameContext]) -> None:
    assert _texts(greenhouse.arguments(_Orphan(crashed_frames[1]))) == ["field=<optimized out>", "index=1"]


def test_a_call_names_its_target(greenhouse: Program, crashed_frames: list[FrameContext]) -> None:
    targets = [greenhouse.call_target(frame.pc) for frame in crashed_frames[1:7]]

    # console_run calls commands through a pointer.
    assert [target and target.name for target in targets] == [
        "store_value",
        "parse_field",
        "process_message",
        None,
        "console_run",
        "console_task",
    ]


def test_frames_that_called_one_another_have_no_tail_calls_between_them(
    greenhouse: Program, crashed_frames: list[FrameContext]
) -> None:
    callee = greenhouse.function_at(crashed_frames[0].pc)
    assert callee is not None

    assert greenhouse.tail_call_chain(crashed_frames[1].pc, callee) == []


def test_the_control_block_of_tasks_is_found_by_its_typedef(greenhouse: Program) -> None:
    members = greenhouse.structure("TCB_t", in_unit_of="vTaskSwitchContext")

    assert members is not None
    assert members["pxTopOfStack"] == Member(0, 4)
    assert members["pcTaskName"].size >= 8
    assert greenhouse.structure("TCB_t") is not None
    assert greenhouse.structure("no_such_type") is None
    assert greenhouse.structure("TCB_t", in_unit_of="no_such_function") is None


def test_a_function_that_was_left_by_a_tail_call_is_found_again(riscv_corpus_path: Path) -> None:
    return_to_initialisation, return_to_fopen = 0x4200_499E, 0x4200_E734
    with Program.open(riscv_corpus_path) as program:
        target = program.call_target(return_to_initialisation)
        symbol = program.symbol_named("_fopen_r")
        assert target is not None
        assert symbol is not None
        callee = program.function_at(symbol.address)
        assert callee is not None

        assert target.name == "fopen"
        assert program.tail_call_chain(return_to_initialisation, callee) == [return_to_fopen]
        assert program.tail_call_chain(return_to_initialisation, target) == []
