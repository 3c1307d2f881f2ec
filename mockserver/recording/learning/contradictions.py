"""Exchanges of recordings that contradict each other: of what they say otherwise, nothing is learnt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import pointer
from mockserver.recording.learning.changes import Tokens
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.recorded_answers import FAILING
from mockserver.recording.learning.seen_values import Seen, in_envelope, in_event, is_named, taken_events
from mockserver.recording.learning.text_changes import every_broken

SHOWN: Final = 120
LIMITS: Final = frozenset(
    {"maxItems", "minItems", "maxLength", "minLength", "maximum", "minimum", "maxProperties", "minProperties"}
    | {"max_bytes", "past_ms", "future_ms", "requests", "window_ms"}
)
TOO_MUCH: Final = re.compile(
    r"\b(?:at most|max\w*|too (?:many|long|large|big)|limit\w*|exceed\w*|longer|more than)\b", re.I
)
_NAMED_LIMIT: Final = re.compile(
    r"\b(?:at most|max\w*(?: of| is)?|limit(?: of| is)?|up to|more than|exceeds?) ([0-9]{1,15})\b", re.I
)
FEW: Final = 2
"""So many items or characters are not too many."""
_VARYING: Final = re.compile(r"[0-9]+|\"[^\"]*\"|'[^']*'|\[[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two exchanges, by number, that no contract answers both, and the places of the facts that they say otherwise."""

    first: int
    second: int
    places: frozenset[Tokens] = frozenset()

    @classmethod
    def of(cls, one: int, other: int, places: Iterable[Tokens] = ()) -> Contradiction:
        """Return the contradiction of two exchanges, in their order."""
        return cls(first=min(one, other), second=max(one, other), places=frozenset(places))

    def reason(self, played: Sequence[Played]) -> str:
        """Return what they contradict each other about."""
        first, second = played[self.first], played[self.second]
        about = f"about {', '.join(sorted(map(pointer.build, self.places)))}"
        if not self.places:
            about = "on equal requests" if _request(first) == _request(second) else "on what is too much"
        return f"they contradict each other {about}: answered {_outcome(first)}, and {_outcome(second)}"


def limits_taken_and_refused(played: Sequence[Played]) -> Iterator[Contradiction]:
    """Yield the requests that were refused for too much of something of which another one with as much was taken."""
    for number, one in enumerate(played):
        text = one.answer.words
        is_compared = one.answer.is_refusal and not one.answer.problem and one.answer.reply.status < FAILING
        if not is_compared or one.is_refusal or TOO_MUCH.search(text) is None:
            continue
        for part in _named_parts(one, text):
            value = part.value
            if len(value) <= FEW:
                continue
            limits = [int(number) for number in _NAMED_LIMIT.findall(text) if int(number) < len(value)]
            other = _taken_with(played, part, max(limits, default=None))
            if other is not None:
                keyword = "maxLength" if isinstance(value, str) else "maxItems"
                yield Contradiction.of(number, other, [(*pointer.parse(part.schema[POINTER]), keyword)])
                break


def _named_parts(played: Played, text: str) -> list[Seen]:
    """Return the texts and lists of a refused request that the recorded text names."""
    parts = [*in_envelope(played)]
    for index in range(min(len(played.judged.events), 20)):
        parts += in_event(played, index)
    return [part for part in parts if isinstance(part.value, str | list) and is_named(part, text)]


def _taken_with(played: Sequence[Played], part: Seen, most: int | None) -> int | None:
    """Return an exchange in which a value as long was taken, or one above the limit that the server names."""
    place, length = part.schema[POINTER], len(part.value)
    for number, one in enumerate(played):
        if one.answer.problem or one.answer.is_refusal:
            continue
        parts = [*in_envelope(one), *(inner for index in taken_events(one) for inner in in_event(one, index))]
        alike = (other.value for other in parts if other.schema[POINTER] == place)
        lengths = [len(value) for value in alike if type(value) is type(part.value)]
        if any(own >= length or (most is not None and own > most) for own in lengths):
            return number
    return None


def twin_of(played: Sequence[Played], number: int) -> Contradiction | None:
    """Return an exchange with an equal request, to which the mock gives an equal reply, and the server gave another."""
    one = played[number]
    for other, twin in enumerate(played):
        if other == number or twin.answer.problem or twin.answer.reply.status >= FAILING:
            continue
        same = _request(twin) == _request(one) and twin.expected == one.expected
        if same and twin.differences != one.differences:
            return Contradiction.of(number, other)
    return None


def are_of_one_fact(played: Sequence[Played], rival: Contradiction) -> bool:
    """Tell whether what one fact says decides both replies, so that they cannot differ in it.

    A text that says how much was sent is no contradiction: no fact gives it.
    """
    first, second = played[rival.first], played[rival.second]
    if any(place[-1] in LIMITS for place in rival.places):
        return first.answer.is_refusal != second.answer.is_refusal
    if first.reply.template is not second.reply.template or _rules(first) != _rules(second):
        return False
    if first.answer.reply.status != second.answer.reply.status:
        return True
    stuck = first if first.distance else second
    texts = [(one.expected, one.got) for one in stuck.differences if isinstance(one.expected, str)]
    return any(_VARYING.sub("", want) != _VARYING.sub("", got) for want, got in texts if isinstance(got, str))


def _rules(played: Played) -> frozenset[str]:
    """Return everything that is wrong with a request."""
    refusal = played.judged.refusal
    first = [] if refusal is None else [refusal.finding.rule]
    return frozenset([*first, *(broken.rule for broken in every_broken(played))])


def _request(played: Played) -> tuple[object, ...]:
    request = played.judged.request
    return request.method, request.target, request.headers, request.body


def _outcome(played: Played) -> str:
    text = played.answer.text
    return f"{played.answer.reply.status} {text if len(text) <= SHOWN else text[:SHOWN] + '…'}".strip()
