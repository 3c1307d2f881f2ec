"""Where personal data is, and a user's own rules: `header:NAME`, `query:NAME`, `/json/pointer`, `regex:PATTERN`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from mockserver.jsonkit import pointer
from mockserver.jsonkit.patterns import Matcher, matcher
from mockserver.recording.redaction.pseudonyms import Kind

FORMS: Final = "header:NAME, query:NAME, regex:PATTERN or a JSON Pointer such as /events/*/properties/plan"

Place = tuple[str, ...]
"""A JSON Pointer's tokens, in which `*` is any member or element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """A place of personal data in a body, and what is there."""

    place: Place
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a user wants hidden. `texts` are the rules as they were written.

    Names of headers are in lower case. A pattern hides each text of a body that it matches, as a whole.
    """

    texts: tuple[str, ...] = ()
    headers: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    places: tuple[Personal, ...] = ()
    patterns: tuple[Matcher, ...] = field(default=())

    @classmethod
    def of(cls, texts: Iterable[str]) -> Rules:
        """Read rules. Raises ValueError for one that cannot be used."""
        headers, parameters, places, patterns = set[str](), set[str](), list[Personal](), list[Matcher]()
        given = tuple(texts)
        for text in given:
            word, _, rest = text.partition(":")
            try:
                if text.startswith("/"):
                    places.append(Personal(place=pointer.parse(text), kind="value"))
                elif word == "header" and rest.strip():
                    headers.add(rest.strip().lower())
                elif word == "query" and rest:
                    parameters.add(rest)
                elif word == "regex" and rest:
                    patterns.append(matcher(rest))
                else:
                    raise ValueError(f"expected {FORMS}")
            except ValueError as error:
                raise ValueError(f"{text!r} is not a valid rule: {error}") from None
        return cls(
            texts=given,
            headers=frozenset(headers),
            parameters=frozenset(parameters),
            places=tuple(places),
            patterns=tuple(patterns),
        )

    def hide_text(self, text: str) -> bool:
        """Return whether a text is hidden as a whole; one that takes too long to search is."""
        return any(pattern.decide(text) is not False for pattern in self.patterns)
