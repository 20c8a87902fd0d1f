"""SPEC.md says what the structs say: every kind, every field in its place, every value and code, and nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import msgspec
import pytest
from msgspec import inspect

from esper_protocol import events, messages, records
from esper_protocol.codec import decode_client_message, decode_server_message, encode_message
from esper_protocol.connection import ClientConnection, ServerConnection
from esper_protocol.framing import MAX_PAYLOAD_BYTES, FrameReader
from esper_protocol.messages import ClientMessage, ServerMessage
from esper_protocol.version import PROTOCOL_VERSION
from esperctl.errors import RequestError

StructType: TypeAlias = type[msgspec.Struct]
Rows: TypeAlias = list[list[str]]

SETS: Final = {
    "LineEnd": events.LineEnd,
    "GapReason": events.GapReason,
    "PanicCause": events.PanicCause,
    "CaptureState": events.CaptureState,
    "CaptureEndReason": events.CaptureEndReason,
    "ChecksumVerdict": events.ChecksumVerdict,
    "BoardState": records.BoardState,
    "DecodeState": records.DecodeState,
    "ElfMatch": get_args(msgspec.structs.fields(records.DecodeRecord)[3].type)[0],
    "Machine": records.Machine,
}
SECTIONS: Final[dict[str, list[StructType]]] = {
    "4 Messages": [messages.Request, messages.Response, messages.ErrorResponse, messages.HistoryEnd, events.Event],
    "5 Handshake": [messages.Hello, messages.Welcome],
    "6 Requests": list(get_args(messages.RequestBody)),
    "7 Results": [*get_args(messages.Result), messages.CoredumpFile],
    "9 Events": list(get_args(events.Body)),
    "10 Records": [
        records.BoardRecord,
        records.CrashSummary,
        records.CoredumpRecord,
        records.DecodeRecord,
        records.DaemonRecord,
        records.ElfRecord,
    ],
}
_UNIONS: Final = {
    frozenset(get_args(messages.RequestBody)): "request body",
    frozenset(get_args(messages.Result)): "result body",
    frozenset(get_args(events.Body)): "event body",
}


@pytest.fixture(scope="session")
def spec(protocol_folder: Path) -> dict[str, str]:
    """The text of each section, by its heading."""
    text = (protocol_folder / "SPEC.md").read_text("utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def subsections(text: str) -> dict[str, str]:
    parts = re.split(r"^### `(.+)`\n", text, flags=re.MULTILINE)
    assert len(set(parts[1::2])) == len(parts[1::2])
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text: str) -> Rows:
    """The cells of the first table, without its two heading lines."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def name_of(kind: StructType) -> str:
    return str(kind.__struct_config__.tag or kind.__name__)


def type_text(kind: inspect.Type) -> str:
    match kind:
        case inspect.NoneType():
            return "null"
        case inspect.IntType():
            return "int"
        case inspect.FloatType():
            return "float"
        case inspect.StrType():
            return "text"
        case inspect.BytesType():
            return "bytes"
        case inspect.BoolType():
            return "bool"
        case inspect.ListType():
            return f"list of {type_text(kind.item_type)}"
        case inspect.TupleType():
            return f"({', '.join(map(type_text, kind.item_types))})"
        case inspect.DictType():
            return f"map of {type_text(kind.key_type)} to {type_text(kind.value_type)}"
        case inspect.LiteralType():
            return next(name for name, values in SETS.items() if set(get_args(values)) == set(kind.values))
        case inspect.StructType():
            return kind.cls.__name__
        case inspect.UnionType():
            return union_text(kind)
        case _:
            raise AssertionError(f"the specification has no name for {kind}")


def union_text(union: inspect.UnionType) -> str:
    structs = frozenset(member.cls for member in union.types if isinstance(member, inspect.StructType))
    if structs in _UNIONS:
        return _UNIONS[structs]
    if {type(member) for member in union.types} == {inspect.LiteralType, inspect.StrType}:
        return "ErrorCode"  # the only open set: its names, or any text
    return " or ".join(sorted(map(type_text, union.types), key=lambda name: name == "null"))


def default_text(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        return "`[]`" if field.default_factory() == [] else "all defaults"
    return f"`{json.dumps(field.default)}`"


def expected_rows(kind: StructType) -> Rows:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    first = 1 if kind.__struct_config__.tag else 0
    return [
        [*([str(position)] if info.array_like else []), f"`{field.name}`", type_text(field.type), default_text(field)]
        for position, field in enumerate(info.fields, first)
    ]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_its_kinds_in_order_and_nothing_else(spec: dict[str, str], section: str) -> None:
    assert list(subsections(spec[section])) == [name_of(kind) for kind in SECTIONS[section]]


@pytest.mark.parametrize(
    ("section", "kind"),
    [pytest.param(section, kind, id=name_of(kind)) for section, kinds in SECTIONS.items() for kind in kinds],
)
def test_a_table_has_the_fields_of_the_struct(spec: dict[str, str], section: str, kind: StructType) -> None:
    text = subsections(spec[section])[name_of(kind)].split("\n## ")[0]
    expected = expected_rows(kind)
    columns = 4 if kind.__struct_config__.array_like else 3
    rows = [row for row in table(text.split("\n\nThe two ranges")[0]) if expected]
    assert [row[:columns] for row in rows] == expected
    assert all(len(row) == columns + 2 and row[-1] for row in rows)
    assert ("No fields." in text) == (not expected)


def test_each_request_names_an_answer_and_errors_that_exist(spec: dict[str, str]) -> None:
    results = {name_of(kind) for kind in get_args(messages.Result)}
    codes = set(get_args(messages.ErrorCode))
    for kind, text in subsections(spec["6 Requests"]).items():
        found = re.search(r"^Answer: `(\w+)`\.(?: Errors: (.+)\.)?$", text, flags=re.MULTILINE)
        assert found, kind
        assert found[1] in results, kind
        named = re.findall(r"`(\w+)`(?=[,.]| \(|$)", found[2] or "")
        assert set(named) <= codes, kind
        assert bool(named) == bool(found[2]), kind


def test_the_error_codes_are_the_codes_and_lead_to_the_exit_codes_of_esperctl(spec: dict[str, str]) -> None:
    rows = table(spec["8 Errors"])
    assert [row[0].strip("`") for row in rows] == list(get_args(messages.ErrorCode))
    for code, meaning, exit_code in rows:
        assert meaning
        assert RequestError(code.strip("`"), "failed").exit_code == int(exit_code), code


def test_the_value_sets_are_the_literals(spec: dict[str, str]) -> None:
    stated = {name: tuple(re.findall(r"`([^`]+)`", values)) for name, values in table(spec["11 Value sets"])}
    assert stated == {name: get_args(values) for name, values in SETS.items()}


def test_every_reason_of_a_gap_and_end_of_a_line_is_explained(spec: dict[str, str]) -> None:
    prose = spec["11 Value sets"].rpartition("\n|")[2]
    for value in (*get_args(events.GapReason), *get_args(events.LineEnd)):
        assert f"`{value}`" in prose


def test_the_numbers_are_those_of_the_package(spec: dict[str, str]) -> None:
    assert spec[""].startswith(f"# The esperd protocol, version {PROTOCOL_VERSION}\n")
    limit = f"{MAX_PAYLOAD_BYTES:,}".replace(",", " ")
    assert f"1 … {limit} |" in spec["2 Framing"]
    assert f"| payload of a frame | {limit} bytes" in spec["14 Limits"]


def test_the_links_at_the_top_lead_to_the_sections(spec: dict[str, str]) -> None:
    headings = [heading for heading in spec if heading]
    links = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", spec[""])
    assert [title for title, _ in links] == headings
    assert [anchor for _, anchor in links] == [heading.lower().replace(" ", "-") for heading in headings]


# The example session -----------------------------------------------------------------------------------


def example(text: str) -> Iterator[tuple[str, Any, bytes]]:
    """Each message of the session: who sends it, its JSON, its frame."""
    block = text.partition("```text\n")[2].partition("```")[0]
    for entry in block.strip().split("\n\n"):
        head, *lines = entry.splitlines()
        who, _, value = head.partition(": ")
        yield who, json.loads(value), bytes.fromhex(" ".join(lines))


def test_the_bytes_of_the_example_are_its_messages(spec: dict[str, str]) -> None:
    for who, value, frame in example(spec["18 Example session"]):
        (payload,) = FrameReader().receive_data(frame)
        assert json.loads(json.dumps(msgspec.msgpack.decode(payload), default=bytes.decode)) == value
        decoded = decode_client_message(payload) if who == "client" else decode_server_message(payload)
        assert isinstance(decoded, ClientMessage | ServerMessage)
        assert encode_message(decoded) == frame


def test_the_example_is_a_session_that_both_ends_accept(spec: dict[str, str]) -> None:
    client, server = ClientConnection("esperctl 0.1.0"), ServerConnection("esperd 0.1.0")
    lines = list(example(spec["18 Example session"]))
    assert [value[0] for _, value, _ in lines[:2]] == ["hello", "welcome"]
    assert client.hello() == lines[0][2]
    for who, _, frame in lines:
        if who == "client":
            (message,) = server.receive_data(frame)
            if isinstance(message, messages.Request):
                assert client.request(message.body) == (message.id, frame)
        else:
            (answer,) = client.receive_data(frame)
            assert isinstance(answer, ServerMessage)
            assert server.send(answer) == frame


def test_every_kind_of_message_but_unknown_ones_is_in_the_example(spec: dict[str, str]) -> None:
    kinds = {value[0] for _, value, _ in example(spec["18 Example session"])}
    assert kinds == {name_of(kind) for kind in (*get_args(ClientMessage), *get_args(ServerMessage))}
