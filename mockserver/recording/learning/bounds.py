"""Choosing what nobody said: a limit between what was taken and what was refused, a pattern for texts that were."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.jsonkit.patterns import check_pattern, matches

LARGEST_POWER: Final = 12
_NUMBER: Final = re.compile(
    r"(?<![\w.\[])([0-9]{1,3}(?:[,_ ][0-9]{3})+|[0-9]+)\s?"
    r"(KB|kB|KiB|MB|MiB|ms|milliseconds|s|seconds?|minutes?|hours?|days?)?\b"
)
_UNITS: Final = {
    "kb": (1000, 1024),
    "kib": (1024,),
    "mb": (1_000_000, 1_048_576),
    "mib": (1_048_576,),
    "s": (1000,),
    "second": (1000,),
    "minute": (60_000,),
    "hour": (3_600_000,),
    "day": (86_400_000,),
}
_PATTERN: Final = re.compile(r"\^\S(?:.*?\S)??\$(?=[\s,.;:\"'`)]|\Z)|\^\S+?(?=[\s,;\"'`]|\Z)")
_QUOTED: Final = re.compile(r"\"([^\"]{1,80})\"|'([^']{1,80})'|`([^`]{1,80})`")
_CLASSES: Final = (("a-z", "[a-z]"), ("A-Z", "[A-Z]"), ("0-9", "[0-9]"))
_IN_CLASS: Final = re.compile(r"\[(?!\^)((?:\\.|[^\]\\])+)\]")
_DURATIONS: Final = (86_400_000, 3_600_000, 60_000, 1000)
USUAL_NAMES: Final = (
    "^[a-z]+$",
    "^[a-z]+(?:_[a-z]+)*$",
    "^[a-z0-9]+(?:_[a-z0-9]+)*$",
    "^[a-z][a-z0-9_]*$",
    "^[a-z0-9_]+$",
    "^[a-z0-9_-]+$",
    "^[A-Za-z][A-Za-z0-9_]*$",
    "^[A-Za-z0-9_]+$",
    "^[A-Za-z0-9_-]+$",
    "^[A-Za-z0-9_ .:-]+$",
    r"\S",
)
"""Grammars that names often have, narrow ones first."""


def roundest(low: int, high: int) -> int:
    """Return the number between two, inclusive, that is the roundest in decimal; of equals the smallest."""
    for power in range(LARGEST_POWER, 0, -1):
        for step in (10**power, 5 * 10 ** (power - 1), 25 * 10 ** (power - 2) if power > 1 else 1):
            first = -(-low // step) * step
            if step > 1 and low <= first <= high:
                return first
    return low


def whole_duration(ms: int) -> int:
    """Return a duration in whole days, hours, minutes or seconds, that is at least as long."""
    for unit in _DURATIONS:
        if ms >= unit:
            return -(-ms // unit) * unit
    return ms


def numbers_in(text: str) -> list[int]:
    """Return the numbers that a text mentions, those with a unit also in bytes or in milliseconds."""
    found: dict[int, None] = {}
    for number, unit in _NUMBER.findall(text):
        value = int(re.sub("[,_ ]", "", number))
        factors = _UNITS.get(unit.lower().removesuffix("s") or "s", ()) if unit else ()
        found |= dict.fromkeys([value, *(value * factor for factor in factors)])
    return list(found)


def patterns_in(text: str) -> list[str]:
    """Return the patterns that a text mentions."""
    return [pattern for pattern in dict.fromkeys(_PATTERN.findall(text)) if _is_pattern(pattern)]


def quoted_in(text: str) -> list[str]:
    """Return the words that a text has in quotation marks."""
    return list(dict.fromkeys(next(filter(None, words)) for words in _QUOTED.findall(text)))


def bounds(low: int | None, high: int | None, text: str) -> Iterator[tuple[int, str]]:
    """Yield the limits that lie between two, inclusive, each with what of it was not seen: nothing if a text says it.

    None is no limit on that side. The nearest to what was seen comes after the roundest.
    """
    for number in numbers_in(text):
        if (low is None or low <= number) and (high is None or number <= high):
            yield number, ""
    if low is None and high is None:
        return
    if low is None or high is None:
        near = high if low is None else low
        assert near is not None
        yield near, f"nothing beyond {near} was seen"
    elif low == high:
        yield low, ""
    elif low < high:
        chosen = roundest(low, high)
        yield chosen, f"{chosen} chosen; nothing between {low} and {high} was seen"
        yield low, f"{low} chosen; nothing between {low} and {high} was seen"


def wider_patterns(pattern: str, taken: Sequence[str], refused: Sequence[str]) -> Iterator[str]:
    """Yield patterns that also match the texts that were taken, and none of those that were refused."""
    new = sorted(set("".join(text for text in taken if not matches(pattern, text))))
    groups = [group for group, one in _CLASSES if any(matches(one, char) for char in new)]
    others = [char for char in new if not any(matches(one, char) for _, one in _CLASSES)]
    for added in (groups, [*groups, *map(_in_class, others)]):
        widened = _IN_CLASS.sub(lambda match, more=added: f"[{match[1]}{_missing(match[1], more)}]", pattern)  # type: ignore[misc]
        yield from _fitting([widened], taken, refused)
    yield from _fitting([*_of_beginnings(pattern, taken), *USUAL_NAMES, *_of_classes(taken)], taken, refused)


def narrower_patterns(taken: Sequence[str], refused: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield patterns that match what was taken and not what was refused, with what of each was not seen."""
    for pattern in _fitting(patterns_in(text), taken, [refused]):
        yield pattern, ""
    for pattern in _fitting([*USUAL_NAMES, *_of_classes(taken), *_of_beginnings("", taken)], taken, [refused]):
        yield pattern, f"the pattern is one that fits the texts taken, of which there are {len(set(taken))}"


def _of_classes(texts: Sequence[str]) -> Iterator[str]:
    characters = sorted(set("".join(texts)))
    groups = [group for group, one in _CLASSES if any(matches(one, char) for char in characters)]
    others = [_in_class(char) for char in characters if not any(matches(one, char) for _, one in _CLASSES)]
    if characters:
        yield f"^[{''.join([*groups, *others])}]+$"


def _of_beginnings(pattern: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield a pattern of what texts begin with, up to the last underscore of what they have in common."""
    begun = re.fullmatch(r"\^([A-Za-z0-9_]+)", pattern)
    known = [begun[1]] if begun else []
    if pattern and not begun:
        return
    rest = [text for text in texts if not any(text.startswith(beginning) for beginning in known)]
    beginnings = {match[0] for text in rest if (match := re.match("[A-Za-z0-9]+_(?:(?:live|test|sk|pk)_)?", text))}
    every = [*known, *sorted(beginnings)]
    if beginnings:
        yield f"^{every[0]}" if len(every) == 1 else f"^(?:{'|'.join(every)})"


def _fitting(patterns: Sequence[str], taken: Sequence[str], refused: Sequence[str]) -> Iterator[str]:
    for pattern in dict.fromkeys(patterns):
        fits = _is_pattern(pattern) and all(matches(pattern, text) for text in taken)
        if fits and not any(matches(pattern, text) for text in refused):
            yield pattern


def _is_pattern(text: str) -> bool:
    try:
        check_pattern(text)
    except ValueError:
        return False
    return True


def _in_class(char: str) -> str:
    return f"\\{char}" if char in r"\]^-[" else char


def _missing(members: str, added: Sequence[str]) -> str:
    return "".join(one for one in added if one not in members)
