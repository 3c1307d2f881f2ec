"""Telling that a request is one of a recording: equal except for what another run changes, and what a recording hides.

A request is read as a document without the values that vary, see `normal_form`, and these values beside it. Two
requests are the same if their documents are equal and each id of one stands for one id of the other, always the same
one: a `Binding` keeps which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from mockserver.contract.contract import split_target
from mockserver.core.body import RequestBody
from mockserver.core.gates import media_type
from mockserver.core.model import Judged
from mockserver.core.route import credentials
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.recording.normalisation.normal_form import NormalForm, normal_form
from mockserver.recording.redaction.encoded_text import unescaped
from mockserver.recording.redaction.pseudonyms import NUMBERS_OF_SOMEBODY
from mockserver.recording.redaction.secret_names import is_secret_name

PSEUDONYM: Final = re.compile(
    "<(?:(?:id|text|value|credential):[0-9]{1,9}|credential|redacted)>"
    r"|(?<![0-9.])(?:192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]{1,3}(?![0-9])|2001:db8::[0-9a-f]{1,8}|\+1555[0-9]{3,12}"
    r"|\+1[ ().-]{0,2}5[ ().-]{0,2}5[ ().-]{0,2}5(?:[ ().-]{0,2}[0-9]){3,12}"
    r"|(?<![\w.-])(?:\(155\) ?|155[. -])[0-9]{3}[. -][0-9]{4}(?![\w-])"
    "|(?<![0-9A-Za-z])[xX]{3}[xX0_.:-]{0,80}[0-9A-Ja-j]{1,7}(?![0-9A-Za-z])"
)
"""What a recording has in place of a hidden value that nothing else tells to vary."""
_HIDDEN_IN_PATH: Final = re.compile(f"{PSEUDONYM.pattern}|<id>")
MOST_HIDDEN: Final = 1_000_000
"""Numbers that one recording hides."""
_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s]{1,256}:[^/@\s]{1,256}(?=@)")
_LOOSE: Final = re.compile("<text:[0-9]{1,9}>")
"""Words, which may be others in another run."""
BOUND: Final = ("id", "credential")
ABSENT: Final = "<absent>"
"""What a difference says of a member that is not there."""
MOST_COMPARED: Final = 5_000
"""Values of a document that are compared to tell how it differs."""

Path: TypeAlias = "tuple[str | int, ...]"


class Value(NamedTuple):
    """A value that varies: what it is, and whether it must always stand for the same one."""

    bound: bool
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalRequest:
    """A request without what another run changes.

    `group` is what a request must have in common with another one to be compared with it; `digest` is that of the
    document. `values` are what is left out of the document, in the order of `places`. At `open` places, a recording
    hides something that the contract does not know, so it is equal to anything: the rest of the text is in its parts.
    """

    group: tuple[str, str, str | None]
    document: Mapping[str, Json]
    digest: bytes
    places: tuple[Path, ...]
    values: tuple[Value, ...]
    open: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between a recorded request and another one: `pointer` leads into the request."""

    pointer: str
    expected: Json
    got: Json

    def as_json(self) -> dict[str, Json]:
        """Return the difference as a JSON object."""
        return {"pointer": self.pointer, "expected": self.expected, "got": self.got}


def normal_request(judged: Judged) -> NormalRequest:
    """Return a routed request without what varies in it. The time grows with its body."""
    request, contract, operation = judged.request, judged.contract, judged.operation
    form, found = normal_form(contract), list(credentials(judged, operation))
    values: dict[Path, Value] = {("credential", known.name): Value(True, text) for known, text in found}
    opened: dict[Path, str] = {}
    document: dict[str, Json] = {
        "method": request.method,
        "path": form.target(request.target),
        "headers": {"credentials": sorted(known.name for known, _ in found), **_headers(judged, values)},
        "body": None,
    }
    _note_parameters(judged, values)
    body = RequestBody(request)
    problem = body.decode(contract.max_body)
    if problem is not None:
        document["body"] = f"<{problem.replace('_', ' ')}>"
    elif not body.parse(contract.max_body):
        document["body"] = "<not valid JSON>" if body.text else "<none>"
    else:
        value = _decoded(jsontext.view(body.text))
        document["body"] = _named(_without_secrets(form.body(value)), form)
        for mark in form.marks(value):
            if mark.known or not (isinstance(mark.value, str) and PSEUDONYM.search(mark.value)):
                bound = mark.kind in BOUND and isinstance(mark.value, str) and _LOOSE.fullmatch(mark.value) is None
                values["body", *mark.place] = Value(bound, mark.value)
        opened.update((place, text) for place, text in _with_pseudonyms(value, ("body",)) if place not in values)
    parts = {_shown_place(place, form): tuple(map(form.text, PSEUDONYM.split(text))) for place, text in opened.items()}
    path = _HIDDEN_IN_PATH.split(document["path"])
    if len(path) > 1 and PSEUDONYM.search(unescaped(request.target)[0]):
        parts["path",] = tuple(path)
    places = tuple(sorted(values, key=lambda place: tuple(map(str, place))))
    return NormalRequest(
        group=(contract.name, request.method, judged.operation_name),
        document=document,
        digest=_digest(document),
        places=places,
        values=tuple(values[place] for place in places),
        open=parts,
    )


def _without_secrets(value: Json) -> Json:
    """Return a body in which what a name says is secret is left out, too."""
    if isinstance(value, dict):
        return {
            name: "<credential>" if isinstance(member, str) and is_secret_name(name) else _without_secrets(member)
            for name, member in value.items()
        }
    return list(map(_without_secrets, value)) if isinstance(value, list) else value


def _decoded(value: Json) -> Json:
    """Return a body in which nothing is percent-encoded or escaped, and no URL has a password.

    What a recording hides behind escapes, it writes plainly; a password looks like a part of an address.
    """
    if isinstance(value, dict):
        return {name: _decoded(member) for name, member in value.items()}
    if isinstance(value, list):
        return list(map(_decoded, value))
    if not isinstance(value, str):
        return value
    text = unescaped(value)[0]
    return _PASSWORD.sub("", text) if "://" in text else text


def _named(value: Json, form: NormalForm) -> Json:
    """Return a body whose members have names without what varies in them; two of one name both stay."""
    if isinstance(value, list):
        return [_named(item, form) for item in value]
    if not isinstance(value, dict):
        return value
    members: dict[str, Json] = {}
    for name, member in value.items():
        shown = form.text(name)
        members[f"{shown} {len(members)}" if shown in members else shown] = _named(member, form)
    return members


def _digest(document: Json) -> bytes:
    return blake2b(jsontext.render(_in_order(document)), digest_size=16).digest()


def _in_order(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return list(map(_in_order, value)) if isinstance(value, list) else value


def _headers(judged: Judged, values: dict[Path, Value]) -> dict[str, Json]:
    """Return what counts of the headers, and note the values of those that vary."""
    request, contract, operation = judged.request, judged.contract, judged.operation
    shown: dict[str, Json] = {}
    kind = request.header(b"content-type")
    if kind is not None and request.body:
        shown["content-type"] = media_type(kind)
    counting = ["access-control-request-method"] if judged.preflight else []
    counting += [] if contract.projects is None else [contract.projects.header.lower()]
    for name in counting:
        value = request.header(name.encode())
        if value is not None:
            shown[name] = value
    origin = request.header(b"origin")
    if origin is not None:
        values["header", "origin"] = Value(False, origin)
        shown["origin"] = "<origin>"
    if operation is not None and operation.idempotency is not None:
        name = operation.idempotency.header.lower()
        key = request.header(name.encode())
        if key is not None:
            values["header", name] = Value(True, key)
            shown[name] = "<id>"
    return shown


def _note_parameters(judged: Judged, values: dict[Path, Value]) -> None:
    """Note the ids in the path and the query."""
    contract, operation = judged.contract, judged.operation
    own = {*contract.personal.path, *([operation.lookup] if operation is not None and operation.lookup else ())}
    for name, text in judged.place.params.items():
        if name in own:
            values["path", name] = Value(True, text)
    if contract.personal.query:
        for name, text in parse_qsl(split_target(judged.request.target)[1], errors="replace"):
            if name in contract.personal.query:
                values["query", name] = Value(True, text)


def _shown_place(place: Path, form: NormalForm) -> Path:
    """Return a place as it is in the document, whose names have nothing that varies in them."""
    return tuple(form.text(token) if isinstance(token, str) else token for token in place)


def _with_pseudonyms(value: Json, place: Path) -> Iterator[tuple[Path, str]]:
    """Yield the texts in which something is hidden, with their places."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _with_pseudonyms(member, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _with_pseudonyms(item, (*place, index))
    elif isinstance(value, str) and PSEUDONYM.search(value) is not None:
        yield place, value
    elif isinstance(value, int | float) and 0 < value - NUMBERS_OF_SOMEBODY < MOST_HIDDEN:
        yield place, "<id:0>"


class Binding:
    """Which id of a client stands for which id of a recording, one for one; `part` tells recordings apart."""

    def __init__(self) -> None:
        self._live: dict[tuple[int, Json], Json] = {}
        self._recorded: dict[tuple[int, Json], Json] = {}

    def pairs(self, part: int, recorded: NormalRequest, live: NormalRequest) -> dict[Json, Json] | None:
        """Return the values of a recorded request with those that stand for them; None if they do not fit."""
        pairs, back = dict[Json, Json](), dict[Json, Json]()
        for old, new in _aligned(recorded, live):
            if old.bound and not (
                self._live.get((part, old.value), new.value) == new.value
                and self._recorded.get((part, new.value), old.value) == old.value
                and pairs.get(old.value, new.value) == new.value
                and back.get(new.value, old.value) == old.value
            ):
                return None
            if _is_key(old.value) and _is_key(new.value):
                pairs.setdefault(old.value, new.value)
                back.setdefault(new.value, old.value)
        return pairs

    def bind(self, part: int, recorded: NormalRequest, live: NormalRequest) -> None:
        """Keep which id stands for which, after two requests were found to be the same."""
        for old, new in _aligned(recorded, live):
            if old.bound:
                self._live.setdefault((part, old.value), new.value)
                self._recorded.setdefault((part, new.value), old.value)

    def live(self, part: int, value: Json) -> Json | None:
        """Return what stands for a value of a recording; None if that is not known."""
        return self._live.get((part, value))

    def known(self, part: int) -> Mapping[Json, Json]:
        """Return the ids of a client with the recorded ones that they stand for."""
        return {value: recorded for (number, value), recorded in self._recorded.items() if number == part}

    def clashes(self, part: int, recorded: NormalRequest, live: NormalRequest) -> Iterator[Difference]:
        """Yield where ids of two requests with equal documents do not fit, without the ids themselves."""
        pairs, back = dict[Json, Json](), dict[Json, Json]()
        for place, (old, new) in zip(live.places, _aligned(recorded, live), strict=False):
            if not old.bound:
                continue
            expected = self._live.get((part, old.value), pairs.setdefault(old.value, new.value))
            stood_for = self._recorded.get((part, new.value), back.setdefault(new.value, old.value))
            if expected != new.value:
                yield Difference(pointer=pointer.build(place), expected="the same value as before", got="another value")
            elif stood_for != old.value:
                yield Difference(pointer=pointer.build(place), expected="another value", got="the same value as before")


def _is_key(value: Json) -> bool:
    """Return whether a value can be looked up in a reply: no value that is there by chance."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _aligned(recorded: NormalRequest, live: NormalRequest) -> Iterator[tuple[Value, Value]]:
    """Yield the values of two requests with equal documents side by side."""
    if recorded.places == live.places:
        yield from zip(recorded.values, live.values, strict=True)
        return
    old = dict(zip(recorded.places, recorded.values, strict=True))
    for place, value in zip(live.places, live.values, strict=True):
        if place in old:
            yield old[place], value


def fits(recorded: NormalRequest, live: NormalRequest) -> bool:
    """Return whether two documents are equal, apart from the open places of the recorded one."""
    if recorded.group != live.group:
        return False
    if recorded.digest == live.digest:
        return True
    return bool(recorded.open) and _fits(recorded.document, live.document, (), recorded.open)


def _fits(recorded: Json, live: Json, place: Path, opened: Mapping[Path, tuple[str, ...]]) -> bool:
    if place in opened:
        return _has_parts(live, opened[place])
    if isinstance(recorded, dict) and isinstance(live, dict):
        return recorded.keys() == live.keys() and all(
            _fits(member, live[name], (*place, name), opened) for name, member in recorded.items()
        )
    if isinstance(recorded, list) and isinstance(live, list):
        return len(recorded) == len(live) and all(
            _fits(item, other, (*place, index), opened)
            for index, (item, other) in enumerate(zip(recorded, live, strict=True))
        )
    return type(recorded) is type(live) and bool(recorded == live)


def _has_parts(live: Json, parts: tuple[str, ...]) -> bool:
    """Return whether a value is a text with these parts in order, from its beginning to its end."""
    if not any(parts):
        return not isinstance(live, dict | list)
    if not isinstance(live, str):
        return False
    first, *middle, last = parts
    position = len(first)
    for part in middle:
        found = live.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return live.startswith(first) and live.endswith(last) and position + len(last) <= len(live)


def differences(recorded: NormalRequest, live: NormalRequest, most: int) -> list[Difference]:
    """Return how the document of a request differs from that of a recorded one, at most so many differences."""
    old, new = _flat(recorded.document), _flat(live.document)
    found: list[Difference] = []
    for place in dict.fromkeys((*old, *new)):
        before, after = old.get(place, ABSENT), new.get(place, ABSENT)
        equal = type(before) is type(after) and before == after
        hidden = place in recorded.open and place in new and _has_parts(after, recorded.open[place])
        if not equal and not hidden:
            found.append(Difference(pointer=pointer.build(place), expected=before, got=after))
            if len(found) >= most:
                break
    return found


def _flat(document: Json) -> Mapping[Path, Json]:
    """Return the leaves of a document by their places, as many as are compared."""
    found: dict[Path, Json] = {}
    pending: list[tuple[Path, Json]] = [((), document)]
    while pending and len(found) < MOST_COMPARED:
        place, value = pending.pop()
        children: list[tuple[Path, Json]] = []
        if isinstance(value, dict):
            children = [((*place, name), member) for name, member in value.items()]
        elif isinstance(value, list):
            children = [((*place, index), item) for index, item in enumerate(value)]
        if children:
            pending += reversed(children)
        else:
            found[place] = value
    return found
