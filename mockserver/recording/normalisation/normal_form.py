"""What of a message differs each time it is sent: keys, ids, times, durations. Whatever compares messages asks here.

The contract says where these are: its credentials, deduplication ids, personal data, time windows, formats, the names
in its reply templates. What it does not know is told by the form of a value and by the name of its member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.schema import Schema, every_schema
from mockserver.contract.sections import PersonalPlaces, RefusalTemplate, ReplyTemplate
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import FORMATS
from mockserver.recording.redaction.encoded_text import unescaped
from mockserver.recording.redaction.find_secrets import key_prefixes
from mockserver.recording.redaction.redaction_rules import Place
from mockserver.recording.redaction.scrubbed import VOLATILE
from mockserver.recording.redaction.secret_names import is_secret_name

Kind: TypeAlias = Literal["credential", "id", "time", "duration", "count"]
"""A key; what tells one person or thing from another; a moment; how long something took; what earlier requests count
up, such as the rest of a rate limit."""
Side: TypeAlias = Literal["request", "reply"]

ANY: Final = "*"
"""The token of a place that is any element of an array, or any member."""
_KINDS_OF_FORMATS: Final[Mapping[str, Kind]] = {"date-time": "time", "iso-8601": "time", "uuid": "id", "email": "id"}
_KINDS_OF_NAMES: Final[Mapping[str, Kind]] = {
    "now": "time",
    "rate_reset_s": "time",
    "rate_remaining": "count",
    "retry_after_s": "count",
    "idempotency_key": "id",
}
"""What the names in reply templates are; those that end in `_id` are ids."""
_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")
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
_ID_NAME: Final = re.compile(r"(?:^|[_.$-])(?:id|uuid|guid|ulid|nonce)s?$|[a-z](?:Id|ID|Uuid|UUID|Guid)s?$")
_TIME_NAME: Final = re.compile(r"(?:^|[_.$-])(?:at|on|ts|time|timestamp|date)$|[a-z](?:At|Time|Timestamp|Date)$")
_DURATION_NAME: Final = re.compile(
    r"(?:^|[_.$-])(?:ms|millis|milliseconds|seconds|secs|duration|elapsed|latency|took|uptime)$"
    r"|[a-z](?:Ms|Millis|Milliseconds|Seconds|Duration|Elapsed|Latency|Uptime)$"
)
_UUID_TEXT: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_TIME_TEXT: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_SHAPED: Final = r"(?<![0-9A-Za-z])[xX0_.-]{0,64}(?:xxx|XXX|Xxx)[xX0_.-]{0,64}[0-9a-jA-J]{0,5}(?![0-9A-Za-z])"
"""A pseudonym of the same shape as what it replaces, as `recording.redaction.pseudonyms` makes them."""
_INSIDE: Final = re.compile(
    rf"(?P<time><(?:epoch_)?(?:time|ms)[+-][^<>]{{1,40}}>|(?<![0-9]){_TIME_TEXT}(?![0-9]))"
    rf"|(?P<id><(?:id|text|value):[0-9]+>|(?<![0-9a-fA-F-]){_UUID_TEXT}(?![0-9a-fA-F-])"
    r"|(?<![0-9A-Za-z])(?=[0-9a-fA-F]{0,62}[0-9])[0-9a-fA-F]{16,64}(?![0-9A-Za-z])"
    rf"|{_SHAPED}"
    r"|[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    r"|(?P<credential><credential(?::[0-9]+)?>|<redacted>)"
    r"|(?P<port>(?<=127\.0\.0\.1):[0-9]{2,5}|(?<=localhost):[0-9]{2,5}|(?<=\[::1\]):[0-9]{2,5})"
)
"""What varies inside of a text: moments, ids, e-mail addresses, pseudonyms of a recording, ports of this machine."""
_RANDOM: Final = re.compile("[A-Za-z0-9_-]{20,128}")
_STEPS: Final = re.compile("[0-9][A-Za-z]|[A-Za-z][0-9]")
_DIGIT: Final = re.compile("[0-9]")
LONGEST_SEARCHED: Final = 8192
"""Characters of a text that are searched for what varies in it; the rest of a longer one counts as it is."""
_MS: Final = (1_400_000_000_000, 4_200_000_000_000)
"""Numbers that are moments in milliseconds since 1970: the years 2014 to 2103."""


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
        self._trees = {"request": _Tree(), "reply": _Tree()}
        self._headers = dict(_OWN_HEADERS)
        self._prefixed: re.Pattern[str] | None = None
        self.reply_headers: frozenset[str] = frozenset()
        """The headers that the contract gives replies, in lower case."""
        if contract is not None:
            for place, kind, below in _request_places(contract):
                self._trees["request"].add(place, kind, below=below)
            for place, kind in _reply_places(contract):
                self._trees["reply"].add(place, kind)
            self._headers |= _header_kinds(contract)
            self.reply_headers = frozenset(name.lower() for names in _templates_of_headers(contract) for name in names)
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
        return _INSIDE.sub(lambda found: f"<{found.lastgroup}>", head) + rest

    def _marks(self, value: Json, place: tuple[str | int, ...], name: str, at: _At) -> Iterator[Mark]:
        if isinstance(value, dict):
            for key, member in value.items():
                yield from self._marks(member, (*place, key), key, _below(at, key))
        elif isinstance(value, list):
            below = _below(at, ANY)
            for index, item in enumerate(value):
                yield from self._marks(item, (*place, index), name, below)
        else:
            kind, known = _kind(value, name, at)
            if kind is not None:
                yield Mark(place=place, kind=kind, value=value, known=known)

    def _masked(self, value: Json, name: str, at: _At) -> Json:
        if isinstance(value, dict):
            return {key: self._masked(member, key, _below(at, key)) for key, member in value.items()}
        if isinstance(value, list):
            below = _below(at, ANY)
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


def kind_by_form(value: Json, name: str = "") -> Kind | None:
    """Return what a value is by its form and the name of its member; None for one that does not vary."""
    if isinstance(value, str):
        return _kind_of_text(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _MS[0] <= value < _MS[1] or (_MS[0] <= value * 1000 < _MS[1] and _TIME_NAME.search(name)):
        return "time"
    if _DURATION_NAME.search(name):
        return "duration"
    return "id" if isinstance(value, int) and _ID_NAME.search(name) else None


def _kind_of_text(value: str, name: str) -> Kind | None:
    if len(value) > LONGEST_SEARCHED or not value:
        return None
    whole = _INSIDE.fullmatch(value)
    if whole is not None and whole.lastgroup != "port":
        kinds: Mapping[str | None, Kind] = {"time": "time", "credential": "credential"}
        return kinds.get(whole.lastgroup, "id")
    if value.isascii() and value.isdigit() and len(value) == 13 and _MS[0] <= int(value) < _MS[1]:
        return "time"
    if "T" in value and FORMATS["iso-8601"](value):
        return "time"
    if _RANDOM.fullmatch(value) and len(_STEPS.findall(value)) >= 3:
        return "id"
    return "id" if _ID_NAME.search(name) and _DIGIT.search(value) and " " not in value else None


class _Tree:
    """Places that end in a kind; `below` says that it is the kind of all that is inside, too."""

    __slots__ = ("below", "inner", "kind")

    def __init__(self) -> None:
        self.inner: dict[str, _Tree] = {}
        self.kind: Kind | None = None
        self.below = False

    def add(self, place: Place, kind: Kind, *, below: bool = False) -> None:
        """Add a place; the kind that was added first remains."""
        tree = self
        for token in place:
            tree = tree.inner.setdefault(token, _Tree())
        tree.kind = tree.kind or kind
        tree.below = tree.below or below


_At: TypeAlias = "list[tuple[_Tree | None, Kind | None]]"
"""Where a walk is in a tree: by the names that it came along, and by `*`; each with the kind of all that is inside."""


def _below(at: _At, token: str) -> _At:
    found: _At = []
    for tree, inherited in at:
        if tree is None:
            found.append((None, inherited))
            continue
        inherited = inherited or (tree.kind if tree.below else None)
        inner = [tree.inner[key] for key in dict.fromkeys((token, ANY)) if key in tree.inner]
        found += [(known, inherited) for known in inner]
        if not inner and inherited is not None:
            found.append((None, inherited))
    return found


def _kind(value: Json, name: str, at: _At) -> tuple[Kind | None, bool]:
    """Return the kind of a scalar, and whether the contract says so."""
    if value is None or value == "" or isinstance(value, bool):
        return None, False
    for tree, inherited in at:
        kind = (None if tree is None else tree.kind) or inherited
        if kind is not None:
            return kind, True
    return kind_by_form(value, name), False


def _event_roots(contract: Contract) -> list[Place]:
    forms = [form for operation in contract.operations.values() for form in operation.forms.values()]
    roots = {() if form.single or form.events is None else (*form.events, ANY) for form in forms}
    return sorted(roots)


def _request_places(contract: Contract) -> Iterator[tuple[Place, Kind, bool]]:
    """Yield the places in requests that vary, those that say most first."""
    roots = _event_roots(contract)
    for credential in contract.credentials.values():
        if credential.place == "body":
            yield credential.tokens, "credential", False
    for root in roots:
        yield from (((*root, *place), kind, below) for place, kind, below in _event_places(contract))
    yield from _personal(contract.personal.bodies)
    yield from ((place, "id", False) for place in contract.delivery.request_identity)
    for schema in contract.request_schemas.values():
        yield from ((place, kind, False) for place, kind in _places_of_formats(schema))
    for rule in contract.warnings.requests:
        if rule.schema is not None:
            yield from ((place, kind, False) for place, kind in _places_of_formats(rule.schema))


def _event_places(contract: Contract) -> Iterator[tuple[Place, Kind, bool]]:
    if contract.dedup is not None:
        yield contract.dedup.tokens, "id", False
    yield from ((window.tokens, "time", False) for window in contract.windows)
    for fill in contract.stored.fill.values():
        if fill.value in ("epoch_ms", "rfc3339_ms"):
            yield fill.tokens, "time", False
    yield from ((rule.tokens, "time", False) for rule in contract.stored.normalise.values())
    yield from _personal(contract.personal.events)
    if contract.entity is not None:
        yield contract.entity, "id", False
    yield from ((place, "id", False) for place in contract.delivery.event_identity)
    for identity in contract.identity.values():
        yield from ((pointer.parse(place), "id", False) for place in identity.pointers)
    schemas = [rule.schema for rule in contract.warnings.events if rule.schema is not None]
    for schema in (*contract.event_schemas.values(), *schemas):
        yield from ((place, kind, False) for place, kind in _places_of_formats(schema))


def _personal(places: PersonalPlaces) -> Iterator[tuple[Place, Kind, bool]]:
    yield from ((place, "id", True) for place in (*places.ids, *places.texts))


def _places_of_formats(schema: Schema) -> Iterator[tuple[Place, Kind]]:
    for tokens, inner in every_schema(schema.body):
        kind = _KINDS_OF_FORMATS.get(inner.get("format", ""))
        if kind is not None:
            yield _place(tokens), kind


def _place(tokens: tuple[str, ...]) -> Place:
    """Return the place in a value that a place in its schema is about."""
    found: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "properties":
            found.append(next(words))
        elif word == "anyOf":
            next(words)
        else:
            found.append(ANY)
    return tuple(found)


def _reply_places(contract: Contract) -> Iterator[tuple[Place, Kind]]:
    for reply in contract.replies.values():
        yield from _places_of_names(reply.body, reply.item)
    for shape in contract.shapes.values():
        yield from _places_of_names(shape.body, None)
    for schema in contract.reply_schemas.values():
        yield from _places_of_formats(schema)


def _places_of_names(template: Json, item: Json, place: Place = ()) -> Iterator[tuple[Place, Kind]]:
    if isinstance(template, Mapping):
        for name, member in template.items():
            yield from _places_of_names(member, item, (*place, name))
    elif isinstance(template, list | tuple):
        for member in template:
            yield from _places_of_names(member, item, (*place, ANY))
    elif template == "${errors}":
        yield from _places_of_names(item, None, (*place, ANY))
    elif isinstance(template, str) and (kind := _kind_of_name(template)) is not None:
        yield place, kind


def _kind_of_name(template: str) -> Kind | None:
    """Return what a text of a template becomes, if it is only a name."""
    name = _NAME.fullmatch(template)
    if name is None:
        return None
    return _KINDS_OF_NAMES.get(name[1]) or ("id" if name[1].endswith("_id") else None)


def _header_kinds(contract: Contract) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for credential in contract.credentials.values():
        if credential.place == "header":
            kinds[credential.parameter.lower()] = "credential"
    for operation in contract.operations.values():
        if operation.idempotency is not None:
            kinds[operation.idempotency.header.lower()] = "id"
    for headers in _templates_of_headers(contract):
        kinds |= {name.lower(): kind for name, text in headers.items() if (kind := _kind_of_name(text)) is not None}
    return kinds


def _templates_of_headers(contract: Contract) -> Iterable[Mapping[str, str]]:
    refusals = [refusal for family in contract.families.values() for refusal in family.reasons.values()]
    templates: list[ReplyTemplate | RefusalTemplate] = [*contract.replies.values(), *refusals]
    yield from (template.headers for template in templates)
    yield from (limit.headers for limit in contract.rate_limits.values())
