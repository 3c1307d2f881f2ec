"""A text for a pattern that no plausible text matches: a user's patch may ask for `^ORD-[0-9]{6}$`."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from mockserver.jsonkit import Json
from mockserver.jsonkit.patterns import compile_pattern

SEARCH = settings(
    max_examples=1000, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def text_for(pattern: str, fits: Callable[[Json], bool]) -> list[str]:
    """Return the simplest text that matches and fits the rest of its schema, or nothing where none was found."""
    ascii_texts = st.from_regex(compile_pattern(pattern), alphabet=st.characters(codec="ascii"))
    any_texts = st.from_regex(compile_pattern(pattern), alphabet=st.characters(codec="utf-8"))
    for texts in (ascii_texts, any_texts):
        try:
            return [find(texts, fits, settings=SEARCH)]
        except (HypothesisException, ValueError):
            continue
    return []
