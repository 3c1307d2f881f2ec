"""Hiding credentials and personal data in the parts of an exchange, each value by its pseudonym.

What is hidden: what the contract calls a credential or personal, what a name says is secret, e-mail addresses and
addresses of the internet anywhere, and what a user's rules name. A credential is found however it is spelled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

import ahocorasick_rs

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.recording.redaction.assigned_values import assigned_spans
from mockserver.recording.redaction.encoded_text import decoded_runs, unescaped
from mockserver.recording.redaction.json_tokens import Replacements
from mockserver.recording.redaction.pseudonyms import Kind, Pseudonyms, found_in
from mockserver.recording.redaction.redact import MOST_KEPT, SHORT, Redactor
from mockserver.recording.redaction.redaction_rules import Personal, Place, Rules
from mockserver.recording.redaction.secret_names import (
    HARMLESS_HEADERS,
    LONG_NUMBER,
    NAMING_MEMBERS,
    is_random,
    is_secret_name,
)

_BEGIN, _END, _FIRST_DIGIT = "\ue000", "\ue001", 0xE010
"""Characters of private use around the number of a pseudonym, until a text is done: nothing finds a secret in them."""
_MARK: Final = re.compile(f"{_BEGIN}([{chr(_FIRST_DIGIT)}-{chr(_FIRST_DIGIT + 9)}]{{1,20}}){_END}")
_MARKED: Final = re.compile(f"{_BEGIN}[^{_END}]*{_END}")
_COMPRESSED: Final = "H4sI"
"""How the Base64 of what gzip compressed begins."""
_RUN: Final = re.compile("[A-Za-z0-9+/_=-]{20,}")
_NOT_OF_A_NAME: Final = re.compile("[^!#$%&'*+.^_`|~0-9A-Za-z-]")
Span: TypeAlias = tuple[int, int, Kind, str]
"""Where a value is in a text, its kind, and the value itself, which may be written otherwise there."""
LONGEST_SEARCHED_TEXT: Final = 65_536
"""Characters of a text that is searched. A longer one is hidden as a whole: its search lets no other thread run."""
_SHORTEST_INSIDE: Final = 4
_SHORTEST_ID: Final = 3
"""Characters of a value, and of an id of somebody, that is also found inside of longer texts."""
_UNRESERVED: Final = "-._~@"
_SCHEMED: Final = frozenset({"authorization", "proxy-authorization"})
_CORS: Final = "access-control-"
"""What headers begin with whose names say "credentials" and whose values are no secrets."""
_VALUE_MEMBERS: Final = frozenset({"value", "val", "content"})
NO_NAMES: Final[Mapping[str, Kind]] = MappingProxyType({})


@dataclass(slots=True)
class Walk:
    """What a walk through a document did: the replacements of its strings and numbers.

    `names` are those of personal members.
    """

    names: Mapping[str, Kind] = field(default_factory=dict)
    replacements: dict[tuple[type, Json], Json] = field(default_factory=dict)

    def note(self, before: Json, after: Json) -> Json:
        """Note the replacement of a value, which stays one where the same value is kept elsewhere."""
        key = (type(before), before)
        if self.replacements.get(key, before) == before:
            self.replacements[key] = after
        return after


class Scrubber:
    """Hides values in texts, headers, targets and documents.

    `everywhere` are the values that are hidden wherever they are, each with its kind; `redactor` finds what else is
    secret; `kept_headers` are headers, in lower case, that the contract reads.
    """

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        redactor: Redactor,
        everywhere: dict[str, Kind],
        *,
        rules: Rules,
        kept_headers: Iterable[str] = (),
    ) -> None:
        self._pseudonyms = pseudonyms
        self._redactor = redactor
        self._everywhere = everywhere
        self._rules = rules
        self._kept_headers = HARMLESS_HEADERS | set(kept_headers)
        inside = {value: kind for value, kind in everywhere.items() if _is_found_inside(value, kind)}
        self._cased: dict[str, Kind] = {  # ids of somebody, in one case
            spelling: kind
            for value, kind in inside.items()
            if kind == "id" and is_random(value)
            for spelling in (value.lower(), value.upper())
            if spelling not in everywhere
        }
        self._inside = ahocorasick_rs.AhoCorasick(
            [without_surrogates(value) for value in (*inside, *self._cased)],
            matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        )
        self._marked: list[str] = []
        self._texts: dict[str, str] = {}

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many different values of each kind it has hidden."""
        return self._pseudonyms.kinds

    @property
    def hidden(self) -> int:
        """How many different values it has hidden."""
        return len(self._pseudonyms)

    def knows(self, value: str) -> bool:
        """Return whether a value was hidden before."""
        return self._pseudonyms.get(value) is not None

    def hide(self, value: str, kind: Kind) -> str:
        """Return the pseudonym of a value."""
        return self._pseudonyms.replace(value, self._everywhere.get(value, kind))

    def text(self, text: str) -> str:
        """Return a text without what is to be hidden in it."""
        if len(text) > SHORT:
            return self._hidden_text(text)
        result = self._texts.get(text)
        if result is None:
            if len(self._texts) >= MOST_KEPT:
                self._texts.clear()
            result = self._texts[text] = self._hidden_text(text)
        return result

    def _hidden_text(self, text: str) -> str:
        if text in self._everywhere or self._rules.hide_text(text):
            return self.hide(text, "value")
        if len(text) > LONGEST_SEARCHED_TEXT:
            return self.hide(text, "text")
        self._marked = []
        marked = self._mark(text.replace(_BEGIN, "�"), self._spans)
        marked = self._mark(marked, self._escaped_spans)
        marked = self._mark(marked, self._encoded_spans)
        for spans in (assigned_spans, self._redactor.spans):
            marked = self._mark_secrets(marked, sorted(spans(marked)))
        return self._unmarked(marked)

    def _mark(self, text: str, spans_of: Callable[[str], Iterable[Span]]) -> str:
        parts, position = list[str](), 0
        spans = sorted(spans_of(text), key=lambda span: (span[0], span[2] != "credential", -span[1]))
        for start, end, kind, value in spans:
            if start >= position and _BEGIN not in text[start:end] and _END not in text[start:end]:
                pseudonym = self.hide(value, kind)
                if text[start:end] != value and "%" in text[start:end]:
                    pseudonym = quote(pseudonym, safe=_UNRESERVED)
                parts += [text[position:start], self._marked_as(pseudonym)]
                position = end
        return "".join([*parts, text[position:]])

    def _mark_secrets(self, text: str, spans: Sequence[tuple[int, int]]) -> str:
        """Mark secrets as wholes, also where something in them is marked already; those that touch are one."""
        marks = [mark.span() for mark in _MARKED.finditer(text)] if spans else []
        whole: list[list[int]] = []
        for start, end in spans:
            start = next((first for first, last in marks if first < start < last), start)
            end = next((last for first, last in marks if first < end < last), end)
            if whole and start <= whole[-1][1]:
                whole[-1][1] = max(whole[-1][1], end)
            elif not any(first <= start and end <= last for first, last in marks):
                whole.append([start, end])
        parts, position = list[str](), 0
        for start, end in whole:
            secret = unescaped(self._unmarked(text[start:end]))[0]
            parts += [text[position:start], self._marked_as(self.hide(secret, "credential"))]
            position = end
        return "".join([*parts, text[position:]])

    def _marked_as(self, pseudonym: str) -> str:
        self._marked.append(pseudonym)
        number = "".join(chr(_FIRST_DIGIT + int(digit)) for digit in str(len(self._marked) - 1))
        return f"{_BEGIN}{number}{_END}"

    def _unmarked(self, text: str) -> str:
        return _MARK.sub(lambda mark: self._marked[_number(mark[1])], text)

    def _spans(self, text: str) -> Iterator[Span]:
        """Yield where known values are, and what is personal by its form."""
        searched = without_surrogates(text)
        for _, start, end in self._inside.find_matches_as_indexes(searched):
            value = text[start:end]
            kind: Kind = self._everywhere.get(value) or self._cased.get(value) or "value"
            if kind == "credential" or not _goes_on(text, start, end, is_word=value.isalpha()):
                yield start, end, kind, value
        yield from ((start, end, "id", text[start:end]) for start, end in found_in(text))

    def _escaped_spans(self, text: str) -> Iterator[Span]:
        """Yield where values are that are written with escapes of JSON or URLs."""
        read, starts = unescaped(text)
        if read != text:
            for start, end, kind, value in self._spans(read):
                yield starts(start), starts(end), kind, value

    def _encoded_spans(self, text: str) -> Iterator[Span]:
        """Yield where Base64 is of a text that holds a value, or of something that nobody can look into."""
        for start, end, decoded in decoded_runs(text):
            if next(self._spans(decoded), None) is not None or next(self._escaped_spans(decoded), None) is not None:
                yield start, end, "value", text[start:end]
        start = text.find(_COMPRESSED)
        if start >= 0 and (run := _RUN.match(text, start)) is not None:
            yield start, run.end(), "value", run[0]

    def target(self, target: str) -> str:
        """Return the path and the query of a request."""
        path, sign, query = target.partition("?")
        parts = [self._segment(part) for part in path.split("/")]
        return "/".join(parts) + sign + "&".join(map(self._pair, query.split("&")))

    def _segment(self, segment: str) -> str:
        decoded = unquote(segment)
        hidden = self.text(decoded)
        return segment if hidden == decoded else quote(hidden, safe=_UNRESERVED)

    def _pair(self, pair: str) -> str:
        name, sign, value = pair.partition("=")
        if not sign:
            return self._segment(pair)
        decoded = unquote(value.replace("+", " "))
        if decoded and (is_secret_name(unquote(name)) or unquote(name) in self._rules.parameters):
            return f"{name}={quote(self.hide(decoded, 'credential'), safe=_UNRESERVED)}"
        hidden = self.text(decoded)
        return f"{self._segment(name)}={value if hidden == decoded else quote(hidden, safe=_UNRESERVED)}"

    def header_name(self, name: str) -> str:
        """Return the name of a header, which is still one if something was hidden in it."""
        hidden = self.text(name)
        return name if hidden == name else _NOT_OF_A_NAME.sub("-", hidden)

    def header(self, name: str, value: str) -> str:
        """Return the value of a header."""
        lower = name.lower()
        if lower in self._rules.headers:
            return self.hide(value, "value")
        if lower in _SCHEMED:
            scheme, space, key = value.partition(" ")
            return f"{scheme} {self.hide(key.strip(), 'credential')}" if space else self.hide(value, "credential")
        if lower in ("cookie", "set-cookie"):
            return self._cookies(value, first_only=lower == "set-cookie")
        if is_secret_name(name) and not lower.startswith(_CORS):
            return self.hide(value.strip(), "credential")
        return self.text(value) if lower in self._kept_headers else self.hide(value, "value")

    def _cookies(self, value: str, *, first_only: bool) -> str:
        pairs = value.split(";")
        shown = list[str]()
        for number, pair in enumerate(pairs):
            name, sign, secret = pair.partition("=")
            if number and first_only:
                shown.append(self.text(pair))
            else:
                shown.append(f"{name}={self.hide(secret.strip(), 'credential')}" if sign else self._hidden_word(pair))
        return ";".join(shown)

    def _hidden_word(self, word: str) -> str:
        return self.hide(word.strip(), "credential") if word.strip() else word

    def document(
        self, value: Json, personal: Sequence[Personal] = (), names: Mapping[str, Kind] = NO_NAMES
    ) -> tuple[Json, Replacements]:
        """Return a JSON document, and the replacements of its strings and numbers.

        `personal` are places of it, `names` those of members that are personal wherever they are.
        """
        walk = Walk(names)
        places = [(known.place, known.kind) for known in (*personal, *self._rules.places)]
        return self._walk(value, places, walk), walk.replacements

    def _walk(self, value: Json, places: list[tuple[Place, Kind]], walk: Walk) -> Json:
        kind = next((kind for place, kind in places if not place), None)
        if kind is not None:
            return self._hide_all(value, kind, walk)
        if isinstance(value, dict):
            return self._members(value, places, walk)
        if isinstance(value, list):
            pair = len(value) == 2 and isinstance(value[0], str) and is_secret_name(value[0])
            return [
                self._hide_all(item, "credential", walk)
                if pair and index and isinstance(item, str) and is_random(item)
                else self._walk(item, _below(places, str(index)), walk)
                for index, item in enumerate(value)
            ]
        if _is_number(value) and _digits(value) in self._everywhere:
            return walk.note(value, self._pseudonyms.replace_number(value, of_somebody=True))
        return walk.note(value, self.text(value) if isinstance(value, str) else value)

    def _members(self, value: dict[str, Json], places: list[tuple[Place, Kind]], walk: Walk) -> Json:
        named = any(isinstance(value.get(name), str) and is_secret_name(value[name]) for name in NAMING_MEMBERS)
        members: dict[str, Json] = {}
        for name, member in value.items():
            secret = is_secret_name(name) or (named and name in _VALUE_MEMBERS)
            shown = walk.note(name, self.text(name))
            below = _below(places, name)
            if secret and not any(not place for place, _ in below):
                members[shown] = self._hide_all(member, "credential", walk)
            elif name in walk.names:
                members[shown] = self._hide_all(member, walk.names[name], walk)
            else:
                members[shown] = self._walk(member, below, walk)
        return members

    def _hide_all(self, value: Json, kind: Kind, walk: Walk) -> Json:
        """Hide all texts below a place, and all numbers that are personal."""
        if isinstance(value, str):
            return walk.note(value, self.hide(value, kind))
        if isinstance(value, dict):
            return {
                walk.note(name, self.text(name)): self._hide_all(inner, kind, walk) for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._hide_all(inner, kind, walk) for inner in value]
        if _is_number(value) and (kind != "credential" or abs(value) >= LONG_NUMBER):
            is_told = _digits(value) in self._everywhere or (kind == "value" and not self._pseudonyms.shaped)
            return walk.note(value, self._pseudonyms.replace_number(value, of_somebody=is_told))
        return walk.note(value, value)

    def unseen(self, value: Json) -> Json:
        """Return what is shown of a value that no walk has seen: nothing of it."""
        return self.hide(value, "text") if isinstance(value, str) else self._pseudonyms.replace_number(value)


def _is_found_inside(value: str, kind: Kind) -> bool:
    """Return whether a value is also hidden inside of longer texts: no plain word, or texts would be unreadable.

    The id of a person is, though it is a word.
    """
    if len(value) < (_SHORTEST_ID if kind == "id" else _SHORTEST_INSIDE):
        return False
    return kind in ("credential", "id") or is_random(value) or " " in value or any(map(str.isdigit, value))


def _goes_on(text: str, start: int, end: int, *, is_word: bool) -> bool:
    """Return whether what is between two places of a text is a part of a longer word."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return before.isalnum() or after.isalnum() or (is_word and "_" in (before, after))


def _digits(value: float) -> str:
    """Return a number as a text would have it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _below(places: list[tuple[Place, Kind]], token: str) -> list[tuple[Place, Kind]]:
    return [(place[1:], kind) for place, kind in places if place and place[0] in (token, "*")]


def _number(digits: str) -> int:
    return int("".join(str(ord(digit) - _FIRST_DIGIT) for digit in digits))
