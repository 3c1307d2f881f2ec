"""What is hidden in anything that leaves the server to be kept or shared: credentials, wherever and however they stand.

Three ways lead to a credential: the contract says where it is looked for; a header, parameter or member has a name that
says so (`X-Project-Key`, `api_key`, `authToken`), also in a body that cannot be parsed; and it begins like the
contract's keys. Whatever is found in one place is then hidden in all: plain, escaped or percent-encoded, or in Base64.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import ahocorasick_rs

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.recording.redaction.assigned_values import assigned_spans
from mockserver.recording.redaction.encoded_text import decoded_runs, in_base64, unescaped
from mockserver.recording.redaction.secret_names import (
    HARMLESS_HEADERS,
    LONGEST_SEARCHED,
    PLACEHOLDER,
    VALUE_MEMBERS,
    WITH_SCHEME,
    is_pair,
    is_random,
    is_secret_name,
    names_sibling,
)
from mockserver.recording.redaction.word_search import Words, matches_at, next_delimiter

REDACTED: Final = "<redacted>"
"""What a value reads that may hold a secret, but is not known to be one."""
_JWT: Final = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
_WELL_KNOWN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:A[KS]IA[A-Z0-9]{16}|gh[oprsu]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}"
    r"|glpat-[A-Za-z0-9_-]{20,255}|xox[abprs]-[A-Za-z0-9-]{10,255}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,255}"
    r"|AIza[A-Za-z0-9_-]{30,60}|sk-[A-Za-z0-9_-]{20,255}|npm_[A-Za-z0-9]{20,255}|pypi-[A-Za-z0-9_-]{20,255})"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
"""Tokens of services that everybody uses, and private keys, which their form gives away."""
_BASE64: Final = re.compile("[A-Za-z0-9+/_=-]")
_SHORT: Final = 4
"""A shorter credential is hidden only where it stands alone, or half the text would be."""
SHORT: Final = 256
MOST_KEPT: Final = 4096
"""Short texts whose form without secrets is kept."""
_WELL_KNOWN_BEGINNINGS: Final = Words(
    ["AKIA", "ASIA", "gh", "glpat-", "xox", "rk_", "sk_", "AIza", "sk-", "npm_", "pypi-", "-----BEGIN "],
    ahocorasick_rs.MatchKind.Standard,
)
_JWTS: Final = Words(["eyJ"], ahocorasick_rs.MatchKind.Standard)


class Redactor:
    """Hides secrets in texts and values. The time grows with the text, not with the number of secrets.

    What becomes of short texts is kept: the names and values of headers and members come again with every request.
    """

    def __init__(self, secrets: Iterable[str], prefixes: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if secret.strip()}
        plain = sorted({spelling for secret in known for spelling in _spellings(secret)})
        encoded = sorted({spelling for secret in plain for spelling in in_base64(secret)})
        self._plain, self._encoded = _longest_words(plain), _longest_words(encoded)
        beginnings = sorted(set(prefixes), key=len, reverse=True)
        self._beginnings = Words(beginnings, ahocorasick_rs.MatchKind.Standard)
        self._key = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, beginnings))})[A-Za-z0-9_.-]+")

        self._texts: dict[str, str] = {}
        self._loose_texts: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return _kept(self._texts, text, self._without_secrets)

    def loose_text(self, text: str) -> str:
        """Return a text that has no known structure without secrets, those included that only their names give away."""
        return _kept(self._loose_texts, text, lambda text: self.text(_replaced(text, list(assigned_spans(text)))))

    def _without_secrets(self, text: str) -> str:
        return _replaced(text, list(self.spans(text)))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secrets are that are known, or begin like a key; they may overlap."""
        yield from self._known(text)
        yield from self._like_keys(text)

    def json(self, value: Json) -> Json:
        """Return a value without secrets in texts and member names; a secret name hides every text below it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            hidden = is_pair(value)
            return [_hidden(item) if hidden and index else self.json(item) for index, item in enumerate(value)]
        if isinstance(value, dict):
            hidden = names_sibling(value)
            return {
                self.text(name): _hidden(member)
                if is_secret_name(name) or (hidden and name in VALUE_MEMBERS)
                else self.json(member)
                for name, member in value.items()
            }
        return value

    def header(self, name: str, value: str) -> str:
        """Return what is shown of the value of a header."""
        if name.lower() in WITH_SCHEME or is_secret_name(name):
            scheme, space, _ = value.partition(" ")
            return f"{scheme} {PLACEHOLDER}" if space and name.lower() in WITH_SCHEME else PLACEHOLDER
        return self.loose_text(value) if name.lower() in HARMLESS_HEADERS else REDACTED

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        read, starts = unescaped(text)
        hidden = 0
        for start, end in self._plain.spans(read):
            if start < hidden:
                continue
            alone = not (read[start - 1 : start].isalnum() or read[end : end + 1].isalnum())
            if end - start >= LONGEST_SEARCHED:
                end = next_delimiter(read, end)
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
        yield from (match.span() for match in matches_at(self._beginnings, self._key, text, text))
        yield from (match.span() for match in matches_at(_JWTS, _JWT, text, text))
        yield from (match.span() for match in matches_at(_WELL_KNOWN_BEGINNINGS, _WELL_KNOWN, text, text))
        for start, end, decoded in decoded_runs(text):
            if next(matches_at(self._beginnings, self._key, decoded, decoded), None) is not None:
                yield start, end


def _spellings(secret: str) -> Iterator[str]:
    """Yield how a secret may be written: also in one case, and in hexadecimal digits."""
    yield without_surrogates(secret)
    yield unescaped(secret)[0]
    if is_random(secret) and len(secret) <= LONGEST_SEARCHED:
        yield from map(without_surrogates, (secret.lower(), secret.upper()))
        digits = secret.encode("utf-8", "replace").hex()
        yield from (digits, digits.upper())


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


def _hidden(value: Json) -> Json:
    """Return a value with each text in it hidden."""
    if isinstance(value, str):
        return PLACEHOLDER if value else value
    if isinstance(value, list):
        return list(map(_hidden, value))
    return {name: _hidden(member) for name, member in value.items()} if isinstance(value, dict) else value


def _longest_words(texts: list[str]) -> Words:
    """Return what finds texts, of which only the beginnings are searched."""
    searched = dict.fromkeys(text[:LONGEST_SEARCHED] for text in texts)
    return Words(list(searched), ahocorasick_rs.MatchKind.LeftmostLongest)


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
