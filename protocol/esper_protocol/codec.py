"""Messages to payloads and back. Unknown kinds are values here, not errors; malformed known ones are errors."""

from typing import Final, TypeAlias

import msgspec

from esper_protocol import events, messages
from esper_protocol.errors import LocalProtocolError, RemoteProtocolError
from esper_protocol.events import Event, UnknownBody
from esper_protocol.framing import encode_frame
from esper_protocol.messages import (
    ClientMessage,
    ErrorResponse,
    Request,
    RequestId,
    ServerMessage,
    UnknownEvent,
)


class UnknownMessage(msgspec.Struct, frozen=True):
    """A message of a kind that this side does not know; to be skipped."""

    kind: str


class UnknownRequest(msgspec.Struct, frozen=True):
    """A request of a kind that this daemon does not know; to be answered with ``unsupported``."""

    id: int
    kind: str


ReceivedByClient: TypeAlias = ServerMessage | UnknownEvent | UnknownMessage
ReceivedByServer: TypeAlias = ClientMessage | UnknownRequest


def _kinds(union: object) -> frozenset[str]:
    members: tuple[type[msgspec.Struct], ...] = getattr(union, "__args__", ())
    return frozenset(str(member.__struct_config__.tag) for member in members)


EVENT_KINDS: Final = _kinds(events.Body)
REQUEST_KINDS: Final = _kinds(messages.RequestBody)
_SERVER_KINDS: Final = _kinds(ServerMessage)


# What msgspec raises for bytes from a peer: text that is not UTF-8 and deep nesting have errors of their own.
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Kind(msgspec.Struct, frozen=True, array_like=True):
    """What every message and body begins with; the rest is skipped without being built, whatever it is."""

    kind: str


class EventHead(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """The envelope of an event without its body, which is costly to decode when only the position matters."""

    seq: int
    at: int
    board: str
    generation: int
    boot: int
    body: msgspec.Raw


class _RequestHead(msgspec.Struct, frozen=True, array_like=True, tag="request"):
    id: RequestId
    body: msgspec.Raw


_encoder: Final = msgspec.msgpack.Encoder()
_server_message_decoder: Final[msgspec.msgpack.Decoder[ServerMessage]] = msgspec.msgpack.Decoder(ServerMessage)
_client_message_decoder: Final[msgspec.msgpack.Decoder[ClientMessage]] = msgspec.msgpack.Decoder(ClientMessage)
_event_head_decoder: Final = msgspec.msgpack.Decoder(EventHead)
_request_head_decoder: Final = msgspec.msgpack.Decoder(_RequestHead)
_kind_decoder: Final = msgspec.msgpack.Decoder(_Kind)


def encode_message(message: ClientMessage | ServerMessage) -> bytes:
    """Encodes a message as a frame, header included.

    Raises:
        LocalProtocolError: it is larger than a frame may be, or holds what MessagePack can't: text that is not
            Unicode (a lone surrogate, as in a file name that is not UTF-8), an integer of more than 64 bits.
    """
    try:
        payload = _encoder.encode(message)
    except (UnicodeEncodeError, OverflowError) as error:
        raise LocalProtocolError(f"a message can't be encoded: {error}") from error
    return encode_frame(payload)


def _first_text(payload: bytes | msgspec.Raw) -> str:
    """The kind that every message and body begins with.

    Raises:
        RemoteProtocolError: *payload* is not an array that begins with text.
    """
    try:
        return _kind_decoder.decode(payload).kind
    except _UNDECODABLE as error:
        raise RemoteProtocolError(f"a message is not a MessagePack array that begins with its kind: {error}") from error


def decode_event_head(payload: bytes) -> EventHead:
    """Decodes only the envelope of an event.

    Raises:
        RemoteProtocolError: *payload* is not an event.
    """
    try:
        return _event_head_decoder.decode(payload)
    except _UNDECODABLE as error:
        raise RemoteProtocolError(f"not an event: {error}") from error


def decode_event(payload: bytes) -> Event | UnknownEvent:
    """Decodes an event, as from a journal segment.

    Raises:
        RemoteProtocolError: *payload* is not an event, or one of a known kind with wrong fields.
    """
    message = decode_server_message(payload)
    if isinstance(message, Event | UnknownEvent):
        return message
    raise RemoteProtocolError("not an event")


def decode_server_message(payload: bytes) -> ReceivedByClient:
    """Decodes what a client receives.

    Raises:
        RemoteProtocolError: it is not a message, or one of a known kind with wrong fields.
    """
    try:
        return _server_message_decoder.decode(payload)
    except _UNDECODABLE as error:
        kind = _first_text(payload)
        if kind not in _SERVER_KINDS:
            return UnknownMessage(kind)
        if kind == "event":
            head = decode_event_head(payload)
            body_kind = _first_text(head.body)
            if body_kind not in EVENT_KINDS:
                return UnknownEvent(head.seq, head.at, head.board, head.generation, head.boot, UnknownBody(body_kind))
        raise RemoteProtocolError(f"a message of kind {kind} has wrong fields: {error}") from error


def decode_client_message(payload: bytes) -> ReceivedByServer:
    """Decodes what a daemon receives.

    Raises:
        RemoteProtocolError: it is not a message a client may send, or one of a known kind with wrong fields.
    """
    try:
        return _client_message_decoder.decode(payload)
    except _UNDECODABLE as error:
        if _first_text(payload) == "request":
            try:
                head = _request_head_decoder.decode(payload)
            except _UNDECODABLE as head_error:
                raise RemoteProtocolError(f"a request is malformed: {head_error}") from error
            kind = _first_text(head.body)
            if kind not in REQUEST_KINDS:
                return UnknownRequest(head.id, kind)
        raise RemoteProtocolError(f"a message is malformed: {error}") from error


def error_for(request: Request | UnknownRequest, code: str, message: str, hint: str | None = None) -> ErrorResponse:
    """The error answer to *request*."""
    return ErrorResponse(request.id, code, message, hint)
