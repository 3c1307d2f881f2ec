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


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern with ECMA meaning. Raises re.error for one Python cannot read, ValueError for `[\\S]`."""
    text = ""
    escaped = in_class = False
    for char in pattern:
        if escaped:
            text += _escaped(char, in_class)
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            in_class = (in_class or char == "[") and char != "]"
            text += r"\Z" if char == "$" and not in_class else char
    return re.compile(text)


def _escaped(char: str, in_class: bool) -> str:
    members = _CLASSES.get(char.lower())
    if members is None:
        return "\\" + char
    if not in_class:
        return f"[{'^' if char.isupper() else ''}{members}]"
    if char.isupper():
        raise ValueError(f"\\{char} inside a character class is not supported")
    return members
