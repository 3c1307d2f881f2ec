"""What of a message differs each time it is sent: keys, ids, times, durations. Whatever compares messages asks here.

The contract says where these are: its credentials, deduplication ids, personal data, time windows, formats, the names
in its reply templates. What it does not know is told by the form of a value and by the name of its member.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from mockserver.contract.contract import Contract, split_target
from mockserver.jsonkit import Json
from mockserver.recording.normalisation.contract_places import (
    ANY,
    At,
    PlaceTree,
    enter,
    header_kinds,
    reply_places,
    request_places,
    templates_of_headers,
)
from mockserver.recording.normalisation.value_kinds import INSIDE, LONGEST_SEARCHED, Kind, kind_by_form
from mockserver.recording.redaction.encoded_text import unescaped
from mockserver.recording.redaction.find_secrets import key_prefixes
from mockserver.recording.redaction.scrubbed import VOLATILE
from mockserver.recording.redaction.secret_names import is_secret_name

Side: TypeAlias = Literal["request", "reply"]

_OWN_HEADERS: Final[Mapping[str, Kind]] = {
    "authorization": "credential",
    "proxy-authorization": "credential",
    "cookie": "credential",
    "set-cookie": "credential",
    "idempotency-key": "id",
    "x-request-id": "id",
    "etag": "id",
    "if-none-match": "id",
    "expires": "time",
    "last-modified": "time",
    "if-modified-since": "time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value that varies, in a body: its place, its kind, and whether the contract says so (or its form does)."""

    place: tuple[str | int, ...]
    kind: Kind
    value: Json
    known: bool


class NormalForm:
    """What varies in the requests and replies of one contract; None for a protocol whose contract is not known."""

    def __init__(self, contract: Contract | None) -> None:
        self._contract = contract
        self._trees = {"request": PlaceTree(), "reply": PlaceTree()}
        self._headers = dict(_OWN_HEADERS)
        self._prefixed: re.Pattern[str] | None = None
        self.reply_headers: frozenset[str] = frozenset()
        """The headers that the contract gives replies, in lower case."""
        if contract is not None:
            for place, kind, below in request_places(contract):
                self._trees["request"].add(place, kind, below=below)
            for place, kind in reply_places(contract):
                self._trees["reply"].add(place, kind)
            self._headers |= header_kinds(contract)
            self.reply_headers = frozenset(name.lower() for names in templates_of_headers(contract) for name in names)
            prefixes = "|".join(map(re.escape, sorted(key_prefixes(contract))))
            self._prefixed = re.compile(rf"(?<![0-9A-Za-z])(?:{prefixes})[0-9A-Za-z_-]+") if prefixes else None

    def marks(self, value: Json, side: Side = "request") -> Iterator[Mark]:
        """Yield the values in a body that vary, in the order of the document."""
        yield from self._marks(value, (), "", [(self._trees[side], None)])

    def body(self, value: Json, side: Side = "request") -> Json:
        """Return a body in which each value that varies is `<its kind>`, also inside of texts."""
        return self._masked(value, "", [(self._trees[side], None)])

    def header(self, name: str, value: str) -> str | None:
        """Return the value of a header without what varies in it; None for one that never counts, such as `Date`."""
        lower = name.lower()
        if lower.encode("utf-8", "replace") in VOLATILE:
            return None
        kind = self._headers.get(lower) or ("credential" if is_secret_name(lower) else None)
        return self.text(value) if kind is None else f"<{kind}>"

    def target(self, target: str) -> str:
        """Return the path and query of a request without what varies in them: `/v1/users/<id>?limit=5`."""
        path, query = split_target(target)
        pairs = [self._pair(pair) for pair in query.split("&") if pair]
        return "/".join(self._segments(path)) + ("?" + "&".join(pairs) if pairs else "")

    def text(self, text: str) -> str:
        """Return a text in which each value that varies is `<its kind>`."""
        head, rest = text[:LONGEST_SEARCHED], text[LONGEST_SEARCHED:]
        if self._prefixed is not None:
            head = self._prefixed.sub("<credential>", head)
        return INSIDE.sub(lambda found: f"<{found.lastgroup}>", head) + rest

    def _marks(self, value: Json, place: tuple[str | int, ...], name: str, at: At) -> Iterator[Mark]:
        if isinstance(value, dict):
            for key, member in value.items():
                yield from self._marks(member, (*place, key), key, enter(at, key))
        elif isinstance(value, list):
            below = enter(at, ANY)
            for index, item in enumerate(value):
                yield from self._marks(item, (*place, index), name, below)
        else:
            kind, known = _kind(value, name, at)
            if kind is not None:
                yield Mark(place=place, kind=kind, value=value, known=known)

    def _masked(self, value: Json, name: str, at: At) -> Json:
        if isinstance(value, dict):
            return {key: self._masked(member, key, enter(at, key)) for key, member in value.items()}
        if isinstance(value, list):
            below = enter(at, ANY)
            return [self._masked(item, name, below) for item in value]
        kind, _ = _kind(value, name, at)
        if kind is not None:
            return f"<{kind}>"
        return self.text(value) if isinstance(value, str) else value

    def _segments(self, path: str) -> Iterator[str]:
        contract = self._contract
        if contract is None:
            yield from (self._word(unquote(segment)) for segment in path.split("/"))
            return
        place = contract.locate(path)
        templates = () if place.first is None else place.first.segments
        leading = len(path) - len(path.lstrip("/"))
        named = dict(zip(range(leading, leading + len(templates)), templates, strict=True))
        credentials = {known.parameter for known in contract.credentials.values() if known.place == "path"}
        personal = {*contract.personal.path, *(known.lookup for known in contract.operations.values() if known.lookup)}
        for number, segment in enumerate(path.split("/")):
            word, parameter = unquote(segment), named.get(number, "")[1:-1] if "{" in named.get(number, "") else ""
            if parameter in credentials or (place.key is not None and word == place.key):
                yield "<credential>"
            else:
                yield "<id>" if parameter in personal else self._word(word)

    def _pair(self, pair: str) -> str:
        name, sign, value = pair.partition("=")
        contract, word = self._contract, unescaped(value.replace("+", " "))[0]
        keys = () if contract is None else contract.credentials.values()
        if is_secret_name(unquote(name)) or any(key.place == "query" and key.parameter == name for key in keys):
            return f"{name}{sign}<credential>"
        if contract is not None and name in contract.personal.query:
            return f"{name}{sign}<id>"
        kind = kind_by_form(word, name)
        return f"{name}{sign}{self.text(word) if kind is None else f'<{kind}>'}"

    def _word(self, word: str) -> str:
        kind = kind_by_form(word)
        return self.text(word) if kind is None else f"<{kind}>"


@lru_cache(maxsize=64)
def normal_form(contract: Contract | None) -> NormalForm:
    """Return what varies in the messages of a contract."""
    return NormalForm(contract)


def _kind(value: Json, name: str, at: At) -> tuple[Kind | None, bool]:
    """Return the kind of a scalar, and whether the contract says so."""
    if value is None or value == "" or isinstance(value, bool):
        return None, False
    for tree, inherited in at:
        kind = (None if tree is None else tree.kind) or inherited
        if kind is not None:
            return kind, True
    return kind_by_form(value, name), False
