"""What is hidden in anything that leaves the server to be kept or shared: credentials, wherever and however they stand.

Three ways lead to a credential: the contract says where it is looked for; a header, parameter or member has a name that
says so (`X-Project-Key`, `api_key`, `authToken`), also in a body that cannot be parsed; and it begins like the
contract's keys. Whatever is found in one place is then hidden in all: plain, escaped or percent-encoded, or in Base64.
"""

from __future__ import annotations

import base64
import codecs
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

import ahocorasick_rs

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.route import credentials, route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates

PLACEHOLDER: Final = "<credential>"
REDACTED: Final = "<redacted>"
"""What a value reads that may hold a secret, but is not known to be one."""

HARMLESS_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "access-control-request-headers",
        "access-control-request-method",
        "allow",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "dnt",
        "etag",
        "expect",
        "expires",
        "host",
        "idempotency-key",
        "keep-alive",
        "last-modified",
        "origin",
        "pragma",
        "retry-after",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "server",
        "transfer-encoding",
        "upgrade-insecure-requests",
        "user-agent",
        "vary",
        "x-content-type-options",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    }
)
"""Headers whose values are kept, apart from credentials in them. Of any other header, the whole value is hidden."""

_WITH_SCHEME: Final = frozenset({"authorization", "proxy-authorization"})
_WORD: Final = (
    "(?:key|token|secret|passw(?:or)?d|passphrase|passcode|pwd|auth(?:orization)?|credential|cookie|signature|sig"
    "|bearer|jwt)s?"
)
_AFTER: Final = "(?:[_-]?(?:value|header|string|[0-9]{1,3}))?"
"""What may follow the word in a name: `apiKey2`, `api_key_value`."""
_BEFORE: Final = (
    "api|project|public|private|write|access|client|auth|refresh|session|secret|id|csrf|xsrf|user|app|account|service"
    "|master|admin|sign(?:ing)?|encryption|shared|web|sdk|live|test|license|device|push|security|pass"
)
"""What may stand before the word without a separator: `sessiontoken`."""
_BEGINNINGS: Final = (
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "auth",
    "credential",
    "cookie",
    "sig",
    "bearer",
    "jwt",
)
_NAME: Final = re.compile(rf"(?:^|[^a-z]|{_BEFORE}){_WORD}{_AFTER}$", re.IGNORECASE)
_CAMEL: Final = re.compile("(?<=[a-z0-9])(?=[A-Z])")
_SIGN: Final = r"\s{0,20}(?:[:=>]|%3[aAdD])\s{0,20}"
_OPENED: Final = r"(?:[\[{]\s{0,20}(?:\\{0,3}[\"'][^\"'\\\n]{1,40}\\{0,3}[\"']\s{0,20}:\s{0,20})?)?"
"""The beginning of a list or an object, whose first text is hidden: where it can be parsed, all of them are."""
_SIBLING: Final = r"(?:,\s{0,20}\\{0,3}[\"'](?:value|val|content)\\{0,3}[\"']\s{0,20}:\s{0,20})"
"""What is between a name and its value in `{"name": "X-Api-Key", "value": "…"}`."""
_TAG: Final = r"\s[^<>\n]{1,80}>(?:<!\[CDATA\[)?|><!\[CDATA\["
_SCHEME: Final = r"(?:(?:bearer|basic|token)\s{1,20})?"
_VALUE: Final = (
    rf"{_SCHEME}(?:\"(?P<double>(?:[^\"\\\n]++|\\[^\n])++)|'(?P<single>(?:[^'\\\n]++|\\[^\n])++)"
    r"|\\{1,3}[\"'](?P<escaped>(?:[^\"'\\\n]++|\\u[0-9a-f]{4})++)"
    r"|(?P<plain>[^\s\"'\\&,;<>{}\[\]][^\s\"'\\&,;<>}\]]*))"
)
_PARTS: Final = ("double", "single", "escaped", "plain", "listed")
_LISTED: Final = r"(?P<listed>[^\s\"'\\&,;<>{}\[\]]{1,64}(?:[,;][^\s\"'\\&,;<>{}\[\]=:]{1,64}){1,4})(?=[&\s]|$)"
"""A value in a query or a form, where commas do not end it."""
_MIDDLE: Final = rf"[\"'\]\\]{{0,4}}(?P<sign>{_SIGN}{_OPENED}|\s{{0,20}}{_SIBLING}|{_TAG}"
_ASSIGNED: Final = re.compile(rf"(?P<word>{_WORD}{_AFTER}){_MIDDLE})(?:{_LISTED}|{_VALUE})", re.IGNORECASE)
"""A value after a name that says it is secret, in text of any kind: JSON in pieces, forms, queries, XML."""

_ASSIGNED_BELOW: Final = re.compile(
    rf"(?P<word>{_WORD}{_AFTER}){_MIDDLE}|[^\n]{{0,80}}\r?\n(?:[a-z-]{{1,40}}:[^\n]{{0,200}}\r?\n){{0,4}}\r?\n)"
    rf"(?:{_LISTED}|{_VALUE})",
    re.IGNORECASE,
)
"""Also a value below an empty line, as in multipart bodies."""

_SPOKEN: Final = re.compile(
    r"(?P<word>bearer|basic|jwt|\s--[a-z-]{1,64})\s{1,20}(?P<plain>[a-z0-9._~+/=-]{8,})", re.IGNORECASE
)
"""A value after a scheme, or after the name of a flag."""
_SCHEMES: Final = frozenset({"bearer", "basic", "jwt"})
_USER_INFORMATION: Final = re.compile(r"://(?P<user>[^/\s:@\"'<>\\]{0,256}):?(?P<password>[^/\s:@\"'<>\\]{0,256})@")
_RUN: Final = re.compile("[A-Za-z0-9+/_-]{20,}")
_MORE_OF_RUN: Final = re.compile("[A-Za-z0-9+/_-]+")
_SHORTEST_RUN: Final = 20
"""Characters of a text in Base64 in which a name and its value, or a key, may be."""
_JWT: Final = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")

_EMPTY_LINE: Final = re.compile("\n\r?\n")

_NAME_CHARACTER: Final = re.compile("[A-Za-z0-9_.$-]")
_LONGEST_NAME: Final = 64
_VALUE_MEMBERS: Final = frozenset({"value", "val", "content"})
_OF_A_HEADER: Final = re.compile("[-_]|[a-z][A-Z]|^(?:[Aa]uthorization|[Cc]ookie)$")
_HEADER_PART: Final = re.compile("[^\\s,;=\"']+")
_LITERAL: Final = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")

_ESCAPE: Final = re.compile(
    r"\\{1,40}u[dD][89abAB][0-9a-fA-F]{2}\\{1,40}u[dD][c-fC-F][0-9a-fA-F]{2}|\\{1,40}u[0-9a-fA-F]{4}"
    r"|\\{1,40}[\"\\/]|~[01]|(?:%(?:25){0,40}[0-9a-fA-F]{2})+"
)
_LONGEST_ESCAPE: Final = 100
"""Characters of an escape; one that is escaped itself several times has more backslashes, or `25`, at its beginning."""
_BYTE: Final = re.compile("%(?:25){0,40}([0-9a-fA-F]{2})")
_BASE64: Final = re.compile("[A-Za-z0-9+/_=-]")
_SHORT: Final = 4
"""A shorter credential is hidden only where it stands alone, or half the text would be."""

_SHORTEST_FOUND: Final = 8
"""A value that is secret by its name alone is hidden everywhere only from this length on, and with a digit or a
capital inside: `{"auth": "google"}` does not hide every `google`."""

_SHORTEST_ENCODED: Final = 6
PIECE: Final = 65_536
"""Characters that are searched at once; the interpreter lets other threads run between two searches only."""
SHORT: Final = 256
MOST_KEPT: Final = 4096
"""Short texts whose form without secrets is kept."""
LONGEST_SEARCHED: Final = 256
"""Characters of a longer secret that are searched; what follows them is hidden up to the next delimiter."""

_DELIMITER: Final = re.compile(r"[\s\"'\\&,;<>{}\[\]]")
_RANDOM: Final = re.compile(r"[0-9]|[a-z][A-Z]|[A-Z]{2}")


def is_random(value: str) -> bool:
    """Return whether a value is no plain word, so that hiding it everywhere leaves a text readable."""
    return len(value) >= LONGEST_SEARCHED or (len(value) >= _SHORTEST_FOUND and _RANDOM.search(value) is not None)


def is_secret_name(name: str) -> bool:
    """Return whether the name of a header, parameter or member says that its value is secret."""
    return _is_secret_end(name[-_LONGEST_NAME:])


@lru_cache(maxsize=1024)
def _is_secret_end(name: str) -> bool:
    return "dempotency" not in name and _NAME.search(_CAMEL.sub("_", name)) is not None


class _Words:
    """Finds words in a text, piece by piece: while a text of 5 MB is searched at once, no other thread runs."""

    def __init__(self, words: Collection[str], matchkind: ahocorasick_rs.MatchKind) -> None:
        self._automaton = ahocorasick_rs.AhoCorasick(words, matchkind=matchkind)
        self._longest = max(map(len, words), default=1)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the longest words are that do not overlap."""
        begin = 0
        while begin < len(text):
            end = begin + PIECE
            found = self._automaton.find_matches_as_indexes(self._piece(text, begin))
            spans = [(begin + first, begin + last) for _, first, last in found if begin + first < end]
            yield from spans
            begin = max(end, spans[-1][1] if spans else 0)

    def starts(self, text: str) -> Iterator[int]:
        """Yield where a word starts, also inside another one."""
        for begin in range(0, len(text), PIECE):
            found = self._automaton.find_matches_as_indexes(self._piece(text, begin), overlapping=True)
            yield from sorted({begin + first for _, first, _ in found if first < PIECE})

    def _piece(self, text: str, begin: int) -> str:
        piece: str = without_surrogates(text[begin : begin + PIECE + self._longest - 1])
        return piece


_SECRET_NAMES: Final = _Words(_BEGINNINGS, ahocorasick_rs.MatchKind.Standard)
"""Finds where a value of a secret name may begin."""
_SPOKEN_WORDS: Final = _Words([*sorted(_SCHEMES), " --"], ahocorasick_rs.MatchKind.Standard)
_URLS: Final = _Words(["://"], ahocorasick_rs.MatchKind.Standard)
_JWTS: Final = _Words(["eyJ"], ahocorasick_rs.MatchKind.Standard)


class Redactor:
    """Hides secrets in texts and values. The time grows with the text, not with the number of secrets.

    What becomes of short texts is kept: the names and values of headers and members come again with every request.
    """

    def __init__(self, secrets: Iterable[str], prefixes: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if secret.strip()}
        plain = sorted(
            {spelling for secret in known for spelling in (without_surrogates(secret), _unescaped(secret)[0])}
        )
        encoded = sorted({spelling for secret in plain for spelling in _in_base64(secret)})
        self._plain, self._encoded = _longest_words(plain), _longest_words(encoded)
        beginnings = sorted(set(prefixes), key=len, reverse=True)
        self._beginnings = _Words(beginnings, ahocorasick_rs.MatchKind.Standard)
        self._key = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, beginnings))})[A-Za-z0-9_.-]+")

        self._texts: dict[str, str] = {}
        self._loose_texts: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return _kept(self._texts, text, self._without_secrets)

    def loose_text(self, text: str) -> str:
        """Return a text that has no known structure without secrets, those included that only their names give away."""
        return _kept(self._loose_texts, text, lambda text: self.text(_replaced(text, list(_assigned_spans(text)))))

    def _without_secrets(self, text: str) -> str:
        return _replaced(text, [*self._known(text), *self._like_keys(text)])

    def json(self, value: Json) -> Json:
        """Return a value without secrets in texts and member names; a secret name hides every text below it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            hidden = _is_pair(value)
            return [_hidden(item) if hidden and index else self.json(item) for index, item in enumerate(value)]
        if isinstance(value, dict):
            hidden = _names_sibling(value)
            return {
                self.text(name): _hidden(member)
                if is_secret_name(name) or (hidden and name in _VALUE_MEMBERS)
                else self.json(member)
                for name, member in value.items()
            }
        return value

    def header(self, name: str, value: str) -> str:
        """Return what is shown of the value of a header."""
        if name.lower() in _WITH_SCHEME or is_secret_name(name):
            scheme, space, _ = value.partition(" ")
            return f"{scheme} {PLACEHOLDER}" if space and name.lower() in _WITH_SCHEME else PLACEHOLDER
        return self.loose_text(value) if name.lower() in HARMLESS_HEADERS else REDACTED

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        read, starts = _unescaped(text)
        hidden = 0
        for start, end in self._plain.spans(read):
            if start < hidden:
                continue
            alone = not (read[start - 1 : start].isalnum() or read[end : end + 1].isalnum())
            if end - start >= LONGEST_SEARCHED:
                end = _next_delimiter(read, end)
            if end - start >= _SHORT or alone:
                hidden = end
                yield starts(start), starts(end)
        hidden = 0
        for start, end in self._encoded.spans(text):
            if start < hidden:
                continue
            while start and _BASE64.match(text[start - 1]):
                start -= 1
            while end < len(text) and _BASE64.match(text[end]):
                end += 1
            hidden = end
            yield start, end

    def _like_keys(self, text: str) -> Iterator[tuple[int, int]]:
        yield from (match.span() for match in _matches_at(self._beginnings, self._key, text, text))
        yield from (match.span() for match in _matches_at(_JWTS, _JWT, text, text))
        for start, end, decoded in _decoded(text):
            if next(_matches_at(self._beginnings, self._key, decoded, decoded), None) is not None:
                yield start, end


def _kept(results: dict[str, str], text: str, work: Callable[[str], str]) -> str:
    """Return what becomes of a text, from the results if it is short and was there before."""
    if len(text) > SHORT:
        return work(text)
    result = results.get(text)
    if result is None:
        if len(results) >= MOST_KEPT:
            results.clear()
        result = results[text] = work(text)
    return result


def secrets_of(request: WireRequest, contract: Contract) -> set[str]:
    """Return every credential that a request carries: where the contract looks for one, and by the names of places.

    The time grows with the body: a megabyte takes seconds in the worst case.
    """
    request_body = RequestBody(request)
    judged = route(request_body, contract)
    known = {value for _, value in (*credentials(judged, judged.operation), *credentials(judged, None))}
    by_name = set(_named_in_headers(request)) | set(_assigned(unquote_plus(request.target)))
    if request_body.parse(contract.max_body):
        by_name.update(_named_in(request_body.value))
    for text in {readable(request.body) or "", readable(request_body.text) or "", unquote_plus(request.target)}:
        by_name.update(_assigned(text))
        by_name.update(value for _, _, decoded in _decoded(text) for value in _assigned(decoded))
    if judged.operation is None:
        known.update(_segments_for_keys(request, contract))
        by_name.update(_strange_segments(request, contract))
    return known | set(filter(is_random, by_name))


def secrets_in(value: Json, text: bytes) -> set[str]:
    """Return the secrets in a JSON text, and in its value, that names give away."""
    characters = text.decode("utf-8", "replace")
    lower, by_name = _lower(characters), set[str]()
    may_be_escaped = any(mark in characters for mark in "\\%~")
    words = (_SECRET_NAMES, _SPOKEN_WORDS)
    if may_be_escaped or "@" in characters or any(next(known.starts(lower), None) is not None for known in words):
        by_name.update(_assigned(characters), _named_in(value))
    by_name.update(secret for _, _, decoded in _decoded(characters) for secret in _assigned(decoded))
    return set(filter(is_random, by_name))


def key_prefixes(contract: Contract) -> set[str]:
    """Return how the keys of a contract begin: their patterns and examples up to the first `_`."""
    written = contract.credentials.values()
    texts = [text.removeprefix("^") for known in written for text in (known.pattern, known.example) if text]
    return {match[0] for text in texts if (match := re.match("[A-Za-z0-9]{2,8}_", text))}


def readable(body: bytes) -> str | None:
    """Return a body as text; None for bytes that are not UTF-8, in which nothing can be found."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _named_in_headers(request: WireRequest) -> Iterator[str]:
    for raw_name, raw_value in request.headers:
        name = raw_name.decode("latin-1")
        for value in {raw_value.decode("latin-1").strip(), raw_value.decode("utf-8", "replace").strip()}:
            yield from _named_in_header(name, value)


def _named_in_header(name: str, value: str) -> Iterator[str]:
    if name.lower() in _WITH_SCHEME:
        value = value.partition(" ")[2].strip() or value
        yield value
        yield from _HEADER_PART.findall(value)
        try:
            yield from base64.b64decode(value, validate=True).decode("utf-8").split(":")
        except ValueError:  # it is not Base64, not ASCII or not UTF-8
            return
    elif name.lower() in ("cookie", "set-cookie"):
        for pair in value.split(";"):
            before, sign, after = pair.partition("=")
            yield (after if sign else before).strip()
    elif is_secret_name(name):
        yield value
    else:
        yield from _assigned(value)


def _names_sibling(members: dict[str, Json]) -> bool:
    """Return whether an object names a header or field whose value, in another member, is secret."""
    names = (members.get(name) for name in ("name", "key", "field", "header"))
    return any(isinstance(name, str) and is_secret_name(name) for name in names)


def _is_pair(items: list[Json]) -> bool:
    """Return whether a list is the name of a secret header and its value; not two words such as `["auth", "token"]`."""
    name = items[0] if len(items) == 2 else None
    return isinstance(name, str) and is_secret_name(name) and _OF_A_HEADER.search(name) is not None


def _named_in(value: Json, *, secret: bool = False) -> Iterator[str]:
    remaining = [(value, secret)]
    while remaining:
        inner, hidden = remaining.pop()
        if isinstance(inner, dict):
            named = _names_sibling(inner)
            remaining += [
                (member, hidden or is_secret_name(name) or (named and name in _VALUE_MEMBERS))
                for name, member in inner.items()
            ]
        elif isinstance(inner, list):
            pair = _is_pair(inner)
            remaining += [
                (item, hidden or (pair and index > 0))
                for index, item in enumerate(inner)
                if isinstance(item, dict | list | str)
            ]
        elif isinstance(inner, str) and hidden:
            yield inner


def _assigned(text: str) -> Iterator[str]:
    return (text[start:end] for start, end in _assigned_spans(text))


def _assigned_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names are, also where the names are written with escapes."""
    yield from _spans_after_names(text)
    yield from _spans_of_users(text)
    read, starts = _unescaped(text)
    if read != text:
        yield from ((starts(start), starts(end)) for start, end in _spans_after_names(read))


def _spans_after_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names are: not numbers, true, false and null in JSON, and placeholders."""
    pattern, lower = _ASSIGNED_BELOW if _EMPTY_LINE.search(text) else _ASSIGNED, _lower(text)
    for match in _matches_at(_SECRET_NAMES, pattern, text, lower):
        start = _start_of_name(text, match.start())
        is_literal = ":" in match["sign"] and match["plain"] and _LITERAL.fullmatch(match["plain"])
        is_placeholder = text.startswith(PLACEHOLDER, start - 1) and not text.startswith("</", match.end())
        if is_secret_name(text[start : match.end("word")]) and not (is_literal or is_placeholder):
            yield next(match.span(part) for part in _PARTS if match[part])
    for match in _matches_at(_SPOKEN_WORDS, _SPOKEN, text, lower):
        is_flag = match["word"].startswith(" --") and is_secret_name(match["word"])
        if (is_flag or match["word"].lower() in _SCHEMES) and is_random(match["plain"]):
            yield match.span("plain")


def _start_of_name(text: str, start: int) -> int:
    first = max(0, start - _LONGEST_NAME)
    while start > first and _NAME_CHARACTER.match(text[start - 1]):
        start -= 1
    return start


def _spans_of_users(text: str) -> Iterator[tuple[int, int]]:
    """Yield where passwords are in URLs, and what stands alone before the host."""
    for match in _matches_at(_URLS, _USER_INFORMATION, text, text):
        if match["password"]:
            yield match.span("password")
        elif is_random(match["user"]):
            yield match.span("user")


def _decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where Base64 of a text is, and that text."""
    for start, end in _runs(text):
        plain = text[start:end].replace("-", "+").replace("_", "/")
        try:
            yield start, end, base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "==").decode("utf-8")
        except ValueError:  # other bytes
            continue


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Yield where characters of Base64 are in a row; it is searched piece by piece."""
    position = 0
    while position < len(text):
        match = _RUN.search(text, position, position + PIECE)
        if match is None:
            position += PIECE - _SHORTEST_RUN
            continue
        end = match.end()
        while (more := _MORE_OF_RUN.match(text, end, end + PIECE)) is not None:
            end = more.end()
        position = end
        yield match.start(), end


def _matches_at(beginnings: _Words, pattern: re.Pattern[str], text: str, searched: str) -> Iterator[re.Match[str]]:
    """Yield what `finditer` does, for a pattern whose matches begin with certain words, found in `searched`.

    The pattern alone takes up to a third of a second to search a text of 5 MB, in which no other thread runs.
    """
    done = 0
    for start in beginnings.starts(searched):
        match = pattern.match(text, start) if start >= done else None
        if match is not None:
            done = match.end()
            yield match


def _next_delimiter(text: str, start: int) -> int:
    """Return where the next delimiter in a text is, or its end; it is searched piece by piece."""
    for begin in range(start, len(text), PIECE):
        if (delimiter := _DELIMITER.search(text, begin, begin + PIECE)) is not None:
            return delimiter.start()
    return len(text)


def _lower(text: str) -> str:
    """Return a text of the same length in lower case; one capital letter becomes two characters otherwise."""
    return text.replace("İ", "i").lower()


def _segments_for_keys(request: WireRequest, contract: Contract) -> Iterator[str]:
    """Yield the segments of a path that is not served where one that begins alike has a parameter."""
    segments = request.target.partition("?")[0].split("/")
    for operation in contract.operations.values():
        for template, segment in zip(operation.path.split("/"), segments, strict=False):
            if template.startswith("{"):
                yield unquote_plus(segment)
            elif template != segment:
                break


def _strange_segments(request: WireRequest, contract: Contract) -> Iterator[str]:
    """Yield what may be a key in a path that is not served: the segments that are in no path of the contract."""
    served = {part for operation in contract.operations.values() for part in operation.path.split("/")}
    for segment in request.target.partition("?")[0].split("/"):
        if segment not in served:
            yield unquote_plus(segment)


def _hidden(value: Json) -> Json:
    """Return a value with each text in it hidden."""
    if isinstance(value, str):
        return PLACEHOLDER if value else value
    if isinstance(value, list):
        return list(map(_hidden, value))
    return {name: _hidden(member) for name, member in value.items()} if isinstance(value, dict) else value


def _longest_words(texts: list[str]) -> _Words:
    """Return what finds texts, of which only the beginnings are searched."""
    searched = dict.fromkeys(text[:LONGEST_SEARCHED] for text in texts)
    return _Words(list(searched), ahocorasick_rs.MatchKind.LeftmostLongest)


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what a secret contributes to the Base64 of a text around it, by where in three bytes it begins."""
    plain = secret.encode("utf-8", "replace")
    if len(plain) < _SHORTEST_ENCODED:
        return
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + plain).decode("ascii").rstrip("=")
        inner = text[(offset * 8 + 5) // 6 : (offset + len(plain)) * 8 // 6]
        yield from {inner, inner.replace("+", "-").replace("/", "_")}


class _Starts:
    """Where in a text each character of its unescaped form starts; what is noted are the ends of escapes."""

    def __init__(self) -> None:
        self._unescaped = [0]
        self._escaped = [0]

    def note(self, length: int, escaped_length: int) -> None:
        """Note characters that have a length of their own after those that were noted."""
        self._unescaped.append(self._unescaped[-1] + length)
        self._escaped.append(self._escaped[-1] + escaped_length)

    def __call__(self, index: int) -> int:
        last = bisect_right(self._unescaped, index) - 1
        return self._escaped[last] + index - self._unescaped[last]


def _unescaped(text: str) -> tuple[str, _Starts]:
    """Return a text with escapes of JSON, URLs and pointers undone, and where its characters come from."""
    parts, starts, position = list[str](), _Starts(), 0
    for match in _escapes(text):
        unchanged = match.start() - position
        parts.append(text[position : match.start()])
        for character, length in _meant(match[0]):
            parts.append(character)
            starts.note(unchanged + 1, unchanged + length)
            unchanged = 0
        position = match.end()
    return without_surrogates("".join([*parts, text[position:]])), starts


def _escapes(text: str) -> Iterator[re.Match[str]]:
    """Yield the escapes in a text, which is searched piece by piece."""
    if not any(mark in text for mark in "\\%~"):
        return
    position = 0
    while position < len(text):
        match = _ESCAPE.search(text, position, position + PIECE)
        if match is None:
            position += PIECE - _LONGEST_ESCAPE
        else:
            match = _ESCAPE.match(text, match.start(), match.start() + PIECE) or match
            position = match.end()
            yield match


def _meant(escape: str) -> Iterator[tuple[str, int]]:
    """Yield the characters that an escape stands for, each with the length of its part."""
    if escape[0] == "~":
        yield "/" if escape == "~1" else "~", 2
    elif escape[0] == "\\":
        units = re.findall("u([0-9a-fA-F]{4})", escape)
        raw = b"".join(int(unit, 16).to_bytes(2, "big") for unit in units)
        yield (raw.decode("utf-16-be", "replace") if units else escape[-1]), len(escape)
    else:
        decoder, length = codecs.getincrementaldecoder("utf-8")("replace"), 0
        for byte in _BYTE.finditer(escape):
            length += len(byte[0])
            for character in decoder.decode(bytes([int(byte[1], 16)])):
                yield character, length
                length = 0
        for character in decoder.decode(b"", final=True):
            yield character, length
            length = 0


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text with a placeholder in place of each span; spans that touch or overlap share one."""
    if not spans:
        return text
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if parts and start <= position:
            position = max(position, end)
            continue
        parts += [text[position:start], PLACEHOLDER]
        position = end
    return "".join([*parts, text[position:]])
