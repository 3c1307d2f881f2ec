"""The one engine that matches patterns: jsonschema-rs, told what they mean in ECMA-262.

A pattern without look-around is matched in linear time. One with look-around is matched by backtracking, within bounds:
a text for which they do not suffice does not match.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from mockserver.jsonkit.pattern_syntax import WORD, LookAround, Pattern, parse, write, write_set

if TYPE_CHECKING:
    import jsonschema_rs

    Options: TypeAlias = "jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions"

BACKTRACK_LIMIT: Final = 10_000
"""Steps back that look-around may cost a match; after them, jsonschema-rs says that the text does not match."""

LONGEST_TEXT: Final = 2_000
"""Characters of a text that a pattern may look around in: each step back can read all of them again.

With `BACKTRACK_LIMIT` it keeps the worst match near 50 ms. Look-ahead at the start of a text is tried once, and needs
no such limit.
"""

SIZE_LIMIT: Final = 1 << 20
"""Bytes that a compiled pattern may take: with repeats of repeats they, and the time to compile, grow without bound."""

_ANY: Final = r"[\x00-\U0010ffff]"
_WORD: Final = write_set(WORD, _ANY)
_LINEAR: Final = {r"\b": r"(?-u:\b)", r"\B": r"(?-u:\B)"}
_LOOKING: Final = {
    r"\b": f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
}


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches somewhere in a text. Raises ValueError for a pattern that cannot be used."""
    return matcher(pattern)(text)


def check_pattern(pattern: str) -> None:
    """Raise ValueError, saying what is wrong, for a pattern that cannot be used."""
    matcher(pattern)


@lru_cache(maxsize=512)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether the pattern matches somewhere in a text; half a surrogate pair is read as U+FFFD.

    Raises ValueError for a pattern that cannot be used.
    """
    import jsonschema_rs

    read = parse(pattern)
    try:
        schema = {"pattern": engine_text(read)}
        is_valid = jsonschema_rs.Draft202012Validator(schema, pattern_options=options(read.look_around)).is_valid
    except jsonschema_rs.ValidationError:
        raise ValueError("it is too large, nested too deeply, or repeats nothing but look-around") from None

    def fits(text: str) -> bool:
        try:
            return is_valid(text)
        except ValueError:
            from mockserver.jsonkit.jsontext import without_surrogates

            return is_valid(without_surrogates(text))

    if read.look_around is LookAround.ANYWHERE:
        return lambda text: len(text) <= LONGEST_TEXT and fits(text)
    return fits


def options(look_around: LookAround) -> Options:
    """Return how jsonschema-rs has to match patterns that look around so; the one place that decides it."""
    import jsonschema_rs

    if look_around is LookAround.NONE:
        return jsonschema_rs.RegexOptions(size_limit=SIZE_LIMIT)
    return jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACK_LIMIT, size_limit=SIZE_LIMIT)


def engine_text(pattern: Pattern) -> str:
    """Write a pattern for jsonschema-rs with the options that it needs."""
    return write(pattern, _LINEAR if pattern.look_around is LookAround.NONE else _LOOKING, _ANY)
