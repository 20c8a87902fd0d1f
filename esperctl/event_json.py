r"""Events as JSON: the envelope's fields by name, then the body's. Pure.

Lines are split, one object each: ``seq`` is that line's own, ``text`` is without the line end (invalid UTF-8 as
``\xff``), ``data`` its bytes in base64, ``end`` how it ends (``newline``, ``fragment``, ``split``).
"""

import msgspec

from esper_protocol.events import Event, Line, Tx, kind_of
from esperctl.safe_text import escape_json
from esperctl.selection import line_text
from esperctl.subscription import AnyEvent, lines_of
from esperctl.times import rfc3339


def event_objects(event: AnyEvent) -> list[dict[str, object]]:
    """The JSON objects of one event: one for each line, or one."""
    if isinstance(event, Event) and isinstance(event.body, Line):
        return [_object(line) for line in lines_of(event, event.body)]
    return [_object(event)]


def json_lines(event: AnyEvent) -> bytes:
    """The event as JSON lines."""
    text = b"".join(msgspec.json.encode(value) + b"\n" for value in event_objects(event))
    return text if text.isascii() and b"\x7f" not in text else escape_json(text.decode()).encode()


def _object(event: AnyEvent) -> dict[str, object]:
    fields: dict[str, object] = {
        "kind": kind_of(event.body),
        "seq": event.seq,
        "at": rfc3339(event.at),
        "board": event.board,
        "generation": event.generation,
        "boot": event.boot,
    }
    if not isinstance(event, Event):
        return fields
    body = event.body
    if isinstance(body, Line):
        return {**fields, "text": line_text(body.data), "data": body.data, "end": body.end}
    if isinstance(body, Tx):
        return {**fields, "text": line_text(body.data), "data": body.data, "who": body.who, "why": body.why}
    # msgspec writes bytes as base64, which is what the contract asks for.
    return {**fields, **msgspec.structs.asdict(body)}
