from typing import get_args

import msgspec
import pytest

from esper_protocol import events
from esper_protocol.events import Body, CoredumpProgress, Gap, WriterChanged
from esperctl.markers import marker, progress

SILENT = {
    "line",
    "tx",
    "backtrace",
    "coredump_progress",
    "decode_queued",
    "viewer_attached",
    "viewer_detached",
    "telemetry",
}


def sample(kind: type[msgspec.Struct]) -> Body:
    """A body of this kind, from plausible values for the types of its fields."""
    schema = msgspec.inspect.type_info(kind)
    assert isinstance(schema, msgspec.inspect.StructType)
    return kind(*(value_of(field.type) for field in schema.fields))  # type: ignore[return-value]


def value_of(kind: msgspec.inspect.Type) -> object:
    match kind:
        case msgspec.inspect.IntType():
            return 7
        case msgspec.inspect.FloatType():
            return 1.5
        case msgspec.inspect.StrType():
            return "words"
        case msgspec.inspect.BytesType():
            return b"words\n"
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.LiteralType():
            return kind.values[0]
        case msgspec.inspect.UnionType():
            return value_of(kind.types[0])
        case msgspec.inspect.ListType():
            return []
        case msgspec.inspect.DictType():
            return {}
        case _:
            raise AssertionError(kind)


@pytest.mark.parametrize("kind", get_args(Body), ids=lambda kind: str(kind.__struct_config__.tag))
def test_every_kind_is_told_in_one_sentence_or_silent_on_purpose(kind: type[msgspec.Struct]) -> None:
    body = sample(kind)
    text = marker(body)
    assert (text is None) == (events.kind_of(body) in SILENT)
    assert text is None or ("\n" not in text and "None" not in text)


def test_a_gap_says_how_much_and_why() -> None:
    assert (
        marker(Gap("unplugged", "USB cable", 120, 5, 9)) == "gap of 120 bytes, positions 5 to 9 (unplugged): USB cable"
    )
    assert marker(Gap("overrun", "UART FIFO")) == "gap (overrun): UART FIFO"


def test_a_lease_says_who_has_it() -> None:
    assert marker(WriterChanged("bob", "alice", stolen=True)) == "typing: bob, who took over from alice"
    assert marker(WriterChanged(None, "bob", stolen=False)) == "bob types no more"


def test_progress_is_a_share_where_the_size_is_known() -> None:
    assert progress(CoredumpProgress("a-1", 1, 1, 512, 2048, 0.5)) == "core dump a-1: 512 B of 2.0 KiB, 25 %"
    assert progress(CoredumpProgress("a-1", 1, 1, 512, None, 0.5)) == "core dump a-1: 512 B"
