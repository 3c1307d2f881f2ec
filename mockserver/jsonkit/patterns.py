r"""ECMA-262 patterns for Python's engine.

Python's `$` also matches before a final newline, and its `\d`, `\w` and `\s` match more characters than those of the
real servers and of the judging engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES: Final = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_STRANGE: Final = re.compile(r"\(\?(?!:|=|!|<=|<!)")
_ESCAPES: Final = frozenset("tnvfrbBxu^$\\.*+?()[]{}|/-")
"""Characters that may be escaped, apart from classes: both engines and ECMA-262 agree on them."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern with ECMA meaning. Raises re.error for one Python cannot read, ValueError for `[\S]`."""
    text = ""
    in_class = False
    for token in _tokens(pattern):
        if token.startswith("\\"):
            text += _escaped(token, in_class=in_class)
        else:
            in_class = (in_class or token == "[") and token != "]"
            text += r"\Z" if token == "$" and not in_class else token
    return re.compile(text)


def refuse_unportable(pattern: str) -> None:
    """Raise ValueError for a pattern that the two engines and ECMA-262 do not interpret in the same way."""
    if _STRANGE.search(pattern):
        raise ValueError("only the groups (…), (?:…), (?=…), (?!…), (?<=…) and (?<!…) are supported")
    opened: str | None = None
    for token in _tokens(pattern):
        if token.startswith("\\") and token[1:].lower() not in _CLASSES and token[1:] not in _ESCAPES:
            raise ValueError(f"{token} is not supported")
        if token == "]" and opened in ("[", "[^"):
            raise ValueError("an empty character class is not supported")
        if opened is not None:
            opened = None if token == "]" else opened + token
        elif token == "[":
            opened = token


def _tokens(pattern: str) -> Iterator[str]:
    """Yield the characters of a pattern, escaped ones with their backslash."""
    characters = iter(pattern)
    for char in characters:
        yield char + next(characters, "") if char == "\\" else char


def _escaped(token: str, *, in_class: bool) -> str:
    char = token[1:]
    members = _CLASSES.get(char.lower())
    if members is None:
        return token
    if not in_class:
        return f"[{'^' if char.isupper() else ''}{members}]"
    if char.isupper():
        raise ValueError(f"{token} inside a character class is not supported")
    return members
