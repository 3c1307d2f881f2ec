r"""ECMA-262 patterns for Python's engine.

Python lets `$` match before a final newline and reads `\d`, `\w` and `\s` differently; the real servers, and the
judging engine, do not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES: Final = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_STRANGE: Final = re.compile(r"\(\?(?!:|=|!|<=|<!)")
_ESCAPES: Final = frozenset("tnvfrbBxu^$\\.*+?()[]{}|/-")
"""What may be escaped beside the classes: what both engines and ECMA-262 read the same way."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern with ECMA meaning.

    Raises re.error for one Python cannot read, ValueError for what the engines would read in different ways.
    """
    if _STRANGE.search(pattern):
        raise ValueError("only the groups (…), (?:…), (?=…), (?!…), (?<=…) and (?<!…) are supported")
    text = ""
    opened: int | None = None
    escaped = False
    for char in pattern:
        if escaped:
            text += _escaped(char, in_class=opened is not None)
            escaped = False
        elif char == "\\":
            escaped = True
        elif opened is None:
            opened = len(text) if char == "[" else None
            text += r"\Z" if char == "$" else char
        else:
            if char == "]" and text[opened:] in ("[", "[^"):
                raise ValueError("an empty character class is not supported")
            opened = None if char == "]" else opened
            text += char
    return re.compile(text)


def _escaped(char: str, *, in_class: bool) -> str:
    members = _CLASSES.get(char.lower())
    if members is None:
        if char not in _ESCAPES:
            raise ValueError(f"\\{char} is not supported")
        return "\\" + char
    if not in_class:
        return f"[{'^' if char.isupper() else ''}{members}]"
    if char.isupper():
        raise ValueError(f"\\{char} inside a character class is not supported")
    return members
