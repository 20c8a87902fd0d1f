"""The golden vectors: frames that must mean the same for ever."""

import json
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import msgspec
import pytest

from esper_protocol.codec import (
    EVENT_KINDS,
    REQUEST_KINDS,
    ReceivedByClient,
    ReceivedByServer,
    UnknownMessage,
    UnknownRequest,
    decode_client_message,
    decode_server_message,
    encode_message,
)
from esper_protocol.framing import FrameReader
from esper_protocol.messages import ClientMessage, Result, ServerMessage, UnknownEvent

Json: TypeAlias = Any
VECTORS = Path(__file__).resolve().parents[2] / "protocol" / "vectors"
OWN_FILES = ("client", "server", "events")
OTHER_FILES = ("newer_peer", "older_peer")


class Vector(NamedTuple):
    name: str
    frame: bytes
    message: dict[str, Json]
    is_of_client: bool


def read(file: str) -> list[Vector]:
    vectors: list[Vector] = []
    for line in (VECTORS / f"{file}.jsonl").read_text("utf-8").splitlines():
        value = json.loads(line)
        assert list(value) == ["name", "hex", "message"]
        is_of_client = value["message"]["kind"] in {"hello", "request"}
        vectors.append(Vector(value["name"], bytes.fromhex(value["hex"]), value["message"], is_of_client))
    return vectors


OWN = [vector for file in OWN_FILES for vector in read(file)]
OTHERS = [vector for file in OTHER_FILES for vector in read(file)]


def by_name(vectors: list[Vector]) -> list[Any]:
    return [pytest.param(vector, id=vector.name) for vector in vectors]


def decode(vector: Vector) -> ReceivedByClient | ReceivedByServer:
    (payload,) = FrameReader().receive_data(vector.frame)
    return decode_client_message(payload) if vector.is_of_client else decode_server_message(payload)


def is_list(value: object) -> TypeGuard[list[Json]]:
    return isinstance(value, list | tuple)


def is_object(value: object) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)


def project(value: object) -> Json:
    """A message as JSON: fields by name, the kind first, bytes as ``{"hex": …}``."""
    if isinstance(value, UnknownRequest):
        return {"kind": "request", "id": value.id, "body": {"kind": value.kind}}
    if isinstance(value, UnknownMessage):
        return {"kind": value.kind}
    if isinstance(value, msgspec.Struct):
        tag = "event" if isinstance(value, UnknownEvent) else value.__struct_config__.tag
        fields = {name: project(getattr(value, name)) for name in value.__struct_fields__}
        return fields if tag is None else {"kind": tag, **fields}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if is_list(value):
        return list(map(project, value))
    if is_object(value):
        return {key: project(item) for key, item in value.items()}
    return value


def positional(value: Json) -> Json:
    """The reverse, as arrays; only a file of a core dump is an array without a kind."""
    if is_list(value):
        return list(map(positional, value))
    if not is_object(value):
        return value
    if set(value) == {"hex"}:
        return bytes.fromhex(value["hex"])
    parts = {key: positional(item) for key, item in value.items()}
    return list(parts.values()) if "kind" in parts or set(parts) == {"name", "size_bytes"} else parts


@pytest.mark.parametrize("vector", by_name(OWN + OTHERS))
def test_the_frame_decodes_to_the_message(vector: Vector) -> None:
    assert project(decode(vector)) == vector.message


@pytest.mark.parametrize("vector", by_name(OWN))
def test_the_message_encodes_to_the_frame(vector: Vector) -> None:
    kind: Any = ClientMessage if vector.is_of_client else ServerMessage
    assert encode_message(msgspec.convert(positional(vector.message), type=kind)) == vector.frame


@pytest.mark.parametrize("vector", by_name(OTHERS))
def test_a_frame_of_another_version_is_not_what_this_one_would_send(vector: Vector) -> None:
    message = decode(vector)
    if not isinstance(message, UnknownEvent | UnknownMessage | UnknownRequest):
        assert encode_message(message) != vector.frame


def test_every_kind_has_a_vector() -> None:
    messages = {vector.message["kind"] for vector in OWN}
    bodies = {vector.message["body"]["kind"] for vector in OWN if "body" in vector.message}
    results = {vector.message["result"]["kind"] for vector in OWN if "result" in vector.message}
    assert messages == {"hello", "request", "welcome", "response", "error", "history_end", "event"}
    assert bodies == EVENT_KINDS | REQUEST_KINDS
    assert results == {str(result.__struct_config__.tag) for result in Result.__args__}


def test_the_other_versions_have_every_kind_of_surprise() -> None:
    kinds = {type(decode(vector)) for vector in read("newer_peer")}
    assert kinds >= {UnknownEvent, UnknownMessage, UnknownRequest}


def test_names_are_unique_in_each_file() -> None:
    for file in OWN_FILES + OTHER_FILES:
        names = [vector.name for vector in read(file)]
        assert len(names) == len(set(names)), file
