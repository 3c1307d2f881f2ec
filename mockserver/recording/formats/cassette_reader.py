"""Reading cassettes of vcrpy (version 1, YAML or JSON) to record what is in them."""

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from collections.abc import Hashable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.filetext import utf8
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import depth, parse_exactly
from mockserver.jsonkit.pointer import escape
from mockserver.jsonkit.yamltext import MAX_DEPTH, TOO_DEEP
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.har import origin_of
from mockserver.lint.wire_requests import IN_SESSION, wire_request
from mockserver.recording.formats.cassette_writer import RECORDED_AT
from mockserver.recording.formats.observed import Observed, sent_bytes

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a cassette that are read: a YAML document takes many times its size in memory."""
BINARY: Final = "!!binary"

_MAY_BE_ALIAS: Final = re.compile(r"(?:^|[\s\[{,:?-])\*[^\s]", re.MULTILINE)
"""What an alias begins with; some plain texts look the same."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT: Final[Json] = {"type": "string"}
_BINARY: Final[Json] = {
    "type": "object",
    "required": [BINARY],
    "additionalProperties": False,
    "properties": {BINARY: _TEXT},
}
_BYTES: Final[Json] = {"if": {"type": "object"}, "then": _BINARY, "else": _TEXT}
_BODY: Final[Json] = {"if": {"type": "object"}, "then": _BINARY, "else": {"type": ["string", "null"]}}
_HEADERS: Final[Json] = {
    "type": ["object", "null"],
    "additionalProperties": {"if": {"type": "array"}, "then": {"items": _BYTES}, "else": _BYTES},
}
_CASSETTE: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["interactions"],
        "properties": {"interactions": {"type": "array"}, "version": {"const": 1}},
    }
)
_INTERACTION: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["request", "response"],
        "properties": {
            "request": {
                "type": "object",
                "required": ["method", "uri"],
                "properties": {"method": _TEXT, "uri": _TEXT, "body": _BODY, "headers": _HEADERS},
            },
            "response": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {
                        "type": "object",
                        "required": ["code"],
                        "properties": {"code": {"type": "integer", "minimum": 100, "maximum": 599}},
                    },
                    "headers": _HEADERS,
                    "body": {
                        "type": ["object", "null"],
                        "properties": {"string": _BODY, "base64_string": _BODY},
                    },
                },
            },
        },
    }
)


class _Loader(_Base):  # type: ignore[misc]
    """The loader: texts, numbers, lists, objects and bytes. What would make another object of Python is refused."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take a merge key for any other key: merges of merges would grow without bounds."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key_node, _ in node.value:
            if not isinstance(self.construct_object(key_node, deep=True), str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a string", key_node.start_mark)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_bytes(self, node: yaml.ScalarNode) -> Json:
        """Return bytes as a value of JSON: their base64 text below a key of its own."""
        return {BINARY: self.construct_scalar(node)}

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Return a scalar as it is written."""
        text: str = self.construct_scalar(node)
        return text


_PLAIN: Final = ("null", "bool", "int", "float", "str", "seq", "map")
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in _Base.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in _PLAIN
}
_Loader.add_constructor("tag:yaml.org,2002:binary", _Loader.construct_bytes)
for _tag in ("timestamp", "python/str", "python/unicode"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_text)


def cassette_of(content: bytes, file: str) -> Iterator[Observed]:
    """Yield the interactions of a cassette. Raises FormatError, which names the place, and NotJSONError."""
    document = _document(content, file)
    _CASSETTE.check(document, file)
    for number, interaction in enumerate(document["interactions"]):
        yield _observed(interaction, file, f"interaction {number}")


def _document(content: bytes, file: str) -> Json:
    if len(content) > LARGEST:
        raise FormatError(file, "", "", f"is larger than {LARGEST >> 20} MiB, which is too large for a cassette")
    if content.lstrip().startswith(b"{"):
        return parse_exactly(content)
    try:
        text = utf8(content).decode()
        if _MAY_BE_ALIAS.search(text) is not None:
            _refuse_aliases(text, file)
        document: Json = yaml.load(text, Loader=_Loader)
        if depth(document) > MAX_DEPTH:
            raise FormatError(file, "", "", TOO_DEEP)
        return document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}"
        raise FormatError(file, place, "", _problem(error)) from None
    except yaml.YAMLError as error:
        raise FormatError(file, "", "", f"is not valid YAML: {error}") from None
    except RecursionError:
        raise FormatError(file, "", "", TOO_DEEP) from None
    except ValueError as error:
        raise FormatError(file, "", "", f"is not valid YAML: {error}") from None


def _refuse_aliases(text: str, file: str) -> None:
    """Raise FormatError for an alias, which can stand for any number of copies of copies."""
    for token in yaml.scan(text, Loader=_Base):
        if isinstance(token, yaml.AliasToken):
            raise FormatError(file, f"line {token.start_mark.line + 1}", "", "aliases are not read")


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is not valid YAML"
    if isinstance(error, yaml.constructor.ConstructorError) and " the tag " in problem:
        return f"objects of a programming language are not read, got {problem.partition(' the tag ')[2]}"
    return f"is not valid YAML: {problem}"


def _observed(interaction: Json, file: str, place: str) -> Observed:
    _INTERACTION.check(interaction, file, place)
    sent, response = interaction["request"], interaction["response"]
    url = sent["uri"]
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises ValueError
    except ValueError as error:
        raise FormatError(file, place, "/request/uri", f"is not a valid URL: {error}") from None
    headers = _headers(sent.get("headers"), file, place, "/request/headers")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = _bytes(sent.get("body"), file, place, "/request/body")
    reply = _reply(response, file, place)
    return Observed(
        file=file,
        place=place,
        request=wire_request(sent["method"], target, headers, sent_bytes(body, headers)),
        now_ms=_time(interaction, reply),
        origin=None if IN_SESSION.match(target) else origin_of(url),
        reply=reply,
    )


def _headers(headers: Mapping[str, Json] | None, file: str, place: str, pointer: str) -> list[tuple[str, str]]:
    pairs = list[tuple[str, str]]()
    for name, values in (headers or {}).items():
        for value in values if isinstance(values, list) else [values]:
            content = _bytes(value, file, place, f"{pointer}/{escape(name)}")
            pairs.append((name, content.decode("utf-8", "replace")))
    return pairs


def _reply(response: Mapping[str, Json], file: str, place: str) -> WireReply:
    body = response.get("body") or {}
    if isinstance(body.get("base64_string"), str):
        content = _bytes({BINARY: body["base64_string"]}, file, place, "/response/body/base64_string")
    else:
        content = _bytes(body.get("string"), file, place, "/response/body/string")
    headers = tuple(_headers(response.get("headers"), file, place, "/response/headers"))
    return WireReply(status=response["status"]["code"], headers=headers, body=sent_bytes(content, headers))


def _bytes(body: Json, file: str, place: str, pointer: str) -> bytes:
    if not isinstance(body, dict):
        return (body or "").encode("utf-8", "surrogatepass")
    try:
        return _decoded(body[BINARY])
    except Base64Error:
        raise FormatError(file, place, pointer, "is not valid base64") from None


def _decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _time(interaction: Mapping[str, Json], reply: WireReply) -> int | None:
    """Return when an interaction was recorded, or the time that the server gave; None if neither is known."""
    recorded_at = interaction.get(RECORDED_AT)
    if isinstance(recorded_at, str) and (ms := epoch_ms(recorded_at)) is not None:
        return ms
    dates: Sequence[str] = [value for name, value in reply.headers if name.lower() == "date"]
    try:
        return int(parsedate_to_datetime(dates[0]).timestamp() * 1000) if dates else None
    except (ValueError, OverflowError):
        return None
