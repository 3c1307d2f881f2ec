r"""Patterns: matched in a bounded number of steps, whatever the pattern and the text.

jsonschema-rs matches a pattern where that is known to be cheap for every text: without look-around, and in few states.
Outer look-around is matched as patterns of its own. Where a pattern has many states, its places times the bytes of the
text count as steps. What else looks around is searched step by step. A text that is still undecided after a number of
steps does not match, and findings say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeAlias, TypeVar

from mockserver.jsonkit.automaton import Automaton, Size, size_of
from mockserver.jsonkit.pattern_search import Steps, TooManyStepsError, is_at_one_place, is_cheap, search
from mockserver.jsonkit.pattern_syntax import LookAround, Token, parse, without_outer_looks, write

if TYPE_CHECKING:
    import jsonschema_rs

DEEPEST: Final = 50
"""Groups inside groups that a pattern may have. Each costs a few frames of Python's stack while it is read."""
MOST_PLACES: Final = 1_500
"""Places that a pattern may have with its repeats written out: so many are made and compiled in less than 10 ms."""
UNDECIDED: Final = "the pattern takes too many steps on this text; make it simpler, or limit the length with maxLength"
"""What is said of a text that does not match because that could not be found out."""
MOST_STATES: Final = 5_000
"""Steps that may lead through all states of a pattern that jsonschema-rs matches.

It makes these states in less than 10 ms, then it reads a character in a few nanoseconds.
"""
MOST_STEPS: Final = 10_000
"""Steps that the search of one text may take: less than 10 ms."""
MOST_TOGETHER: Final = 40_000
"""Steps that the searches for one request, or for one event that somebody asks about, may take together."""
BYTES_OF_A_STEP: Final = 420
"""Bytes that jsonschema-rs searches in the time of a step."""
CHARACTERS_OF_A_STEP: Final = BYTES_OF_A_STEP // 4
"""Characters that jsonschema-rs searches in less than that time, whatever they are."""
MOST_CHECKED: Final = 800
"""Places of a pattern that can have so few states: a larger one mostly takes more steps, and is not tried."""
PLACES_OF_A_STEP: Final = 100
"""Places that jsonschema-rs visits in the time of a step, where a byte leads to a state that it has not made yet."""
OF_A_STATE: Final = 20
"""Places that such a state counts for beside the pattern's own."""
LONGEST_TEXT: Final = 1_048_576
"""Characters that a text may have to match any pattern: jsonschema-rs searches so many in less than 10 ms."""
SIZE_LIMIT: Final = 1 << 20
"""Bytes that jsonschema-rs may take for a compiled pattern."""
STATES_LIMIT: Final = 1 << 18
"""Bytes that jsonschema-rs may take for the states of a compiled pattern."""

_ANY: Final = r"[\x00-\U0010ffff]"
_LINEAR: Final = {r"\b": r"(?-u:\b)", r"\B": r"(?-u:\B)"}

P = ParamSpec("P")
T = TypeVar("T")
Tokens: TypeAlias = tuple[Token, ...]
Search: TypeAlias = Callable[[str, Steps], bool]
Engine: TypeAlias = Callable[[str], bool]

_together: ContextVar[Steps | None] = ContextVar("_together", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A pattern that can be used, with the number of places of its automaton.

    `engine_text` is how jsonschema-rs reads it, None where that is not known to be cheap. `engine` searches a text that
    is too short for a step, where that is so.
    """

    engine_text: str | None
    places: int
    search: Search
    engine: Engine | None = None

    def __call__(self, text: str) -> bool:
        """Tell whether it matches somewhere in a text; half a surrogate pair is read as U+FFFD."""
        return self.decide(text) is True

    def decide(self, text: str) -> bool | None:
        """Tell whether it matches somewhere in a text, or return None for a text that takes too many steps."""
        if self.engine is not None and len(text) < CHARACTERS_OF_A_STEP:
            return self.engine(text)
        if len(text) > LONGEST_TEXT:
            return None
        together = _together.get()
        allowed = MOST_STEPS if together is None else min(MOST_STEPS, together.left)
        steps = Steps(allowed, together)
        try:
            return self.search(text, steps)
        except TooManyStepsError:
            return None
        finally:
            if together is not None:
                together.left -= allowed - max(steps.left, 0)


class bounded:  # noqa: N801, used like a function
    """Bound the steps that all searches inside take together; what is inside another one shares its steps.

    It is a context manager, and a decorator of functions.
    """

    def __init__(self, most: int = MOST_TOGETHER) -> None:
        self._most = most

    def __enter__(self) -> Steps:
        """Return the steps."""
        steps = _together.get() or Steps(self._most)
        self._token = _together.set(steps)
        return steps

    def __exit__(self, *error: object) -> None:
        """End the bound."""
        _together.reset(self._token)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that bounds its steps."""

        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> T:
            if _together.get() is not None:
                return function(*args, **kwargs)
            token = _together.set(Steps(self._most))
            try:
                return function(*args, **kwargs)
            finally:
                _together.reset(token)

        return inner


def are_steps_left() -> bool:
    """Tell whether searches inside `bounded` may take another step."""
    together = _together.get()
    return together is None or together.left > 0


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches somewhere in a text. Raises ValueError for a pattern that cannot be used."""
    return matcher(pattern)(text)


def check_pattern(pattern: str) -> None:
    """Raise ValueError, saying what is wrong, for a pattern that cannot be used."""
    matcher(pattern)


@lru_cache(maxsize=128)
def matcher(pattern: str) -> Matcher:
    """Return what matches a pattern. Raises ValueError, saying what is wrong, for a pattern that cannot be used."""
    parsed = parse(pattern)
    size = size_of(parsed.tokens)
    if size.depth > DEEPEST:
        raise ValueError(
            f"its groups are nested {size.depth} deep, and at most {DEEPEST} are allowed; use fewer groups"
        )
    if size.places > MOST_PLACES:
        raise ValueError(
            f"it has about {size.places} places for characters with its repeats written out, and at most {MOST_PLACES} "
            "are allowed; repeat less often: use + instead of {1,1000}, and maxLength to limit the length"
        )
    if parsed.look_around is LookAround.OUTER:
        parts = [(expected, _matcher(tokens, size).search) for expected, tokens in without_outer_looks(parsed.tokens)]
        return Matcher(engine_text=None, places=size.places, search=partial(_search_parts, parts))
    return _matcher(parsed.tokens, size, can_look=parsed.look_around is LookAround.ANYWHERE)


def _matcher(tokens: Tokens, size: Size, *, can_look: bool = False) -> Matcher:
    """Return what matches a pattern without outer look-around."""
    automaton = Automaton(tokens)
    written = None if can_look else engine_text(tokens)
    engine = None if written is None else _engine(written)
    if engine is None:
        return Matcher(engine_text=None, places=size.places, search=partial(search, automaton))
    if size.places <= MOST_CHECKED and is_cheap(automaton, MOST_STATES):
        fast = partial(_search_fast, engine, 1 / BYTES_OF_A_STEP)
        return Matcher(engine_text=written, places=size.places, search=fast, engine=engine)
    places = 1 if is_at_one_place(automaton) else size.places
    fast = partial(_search_fast, engine, (places + OF_A_STATE) / PLACES_OF_A_STEP)
    return Matcher(engine_text=None, places=size.places, search=fast)


def _search_fast(engine: Engine, steps_of_a_byte: float, text: str, steps: Steps) -> bool:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    steps.take(int(size * steps_of_a_byte))
    return engine(text)


def _search_parts(parts: Sequence[tuple[bool, Search]], text: str, steps: Steps) -> bool:
    """Tell whether a text matches all patterns that have to match and no other one."""
    return all(part(text, steps) is expected for expected, part in parts)


def engine_text(tokens: Tokens) -> str:
    """Write a pattern without look-around for jsonschema-rs."""
    return write(tokens, _LINEAR, _ANY)


def options() -> jsonschema_rs.RegexOptions:
    """Return how jsonschema-rs has to match patterns; the one place that decides it."""
    import jsonschema_rs

    return jsonschema_rs.RegexOptions(size_limit=SIZE_LIMIT, dfa_size_limit=STATES_LIMIT)


def _engine(text: str) -> Engine | None:
    """Return jsonschema-rs's own search, None where the compiled pattern is too large for it."""
    import jsonschema_rs

    try:
        is_valid = jsonschema_rs.Draft202012Validator({"pattern": text}, pattern_options=options()).is_valid
    except jsonschema_rs.ValidationError:
        return None

    def fits(text: str) -> bool:
        try:
            return is_valid(text)
        except ValueError:
            from mockserver.jsonkit.jsontext import without_surrogates

            return is_valid(without_surrogates(text))

    return fits


def matches_known(pattern: str, text: str) -> bool:
    """Tell whether a pattern of our own, which a test holds to being cheap, matches somewhere in a text."""
    return _known(pattern)(text)


@lru_cache(maxsize=32)
def known_text(pattern: str) -> str:
    """Return how jsonschema-rs reads a pattern of our own."""
    return engine_text(parse(pattern).tokens)


@lru_cache(maxsize=32)
def _known(pattern: str) -> Engine:
    engine = _engine(known_text(pattern))
    if engine is None:
        raise ValueError("it is too large")
    return engine
