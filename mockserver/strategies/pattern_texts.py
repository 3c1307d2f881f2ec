"""Texts for a pattern: a user's patch may ask for `^ORD-[0-9]{6}$`, and no plausible text matches that.

The one place where Python's `re` meets a pattern of a contract: Hypothesis draws texts from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from mockserver.jsonkit import Json
from mockserver.jsonkit.patterns import parse, write

SEARCH = settings(
    max_examples=1000, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
_WORDS: Final = {"$": r"\Z", r"\b": r"(?a:\b)", r"\B": r"(?!(?a:\b))"}  # Python: no \B in an empty text


@lru_cache(maxsize=1024)
def python_regex(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern for Python's engine, to be used with `search`; None where Python cannot read it."""
    try:
        return re.compile(write(parse(pattern), _WORDS, "(?s:.)"))
    except (re.error, OverflowError, RecursionError):
        return None


def text_for(pattern: str, fits: Callable[[Json], bool]) -> list[str]:
    """Return the simplest text that matches and fits the rest of its schema, or nothing where none was found."""
    regex = python_regex(pattern)
    if regex is None:
        return []
    ascii_texts = st.from_regex(regex, alphabet=st.characters(codec="ascii"))
    any_texts = st.from_regex(regex, alphabet=st.characters(codec="utf-8"))
    for texts in (ascii_texts, any_texts):
        try:
            return [find(texts, fits, settings=SEARCH)]
        except (HypothesisException, ValueError):
            continue
    return []
