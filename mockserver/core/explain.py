"""Why a value does not fit its schema: findings, in a fixed order, from either engine.

The judging engine explains where a reply needs a text at once; the reference engine explains when somebody reads the
journal. Both hand over only where a keyword broke; everything else is worked out here, so they cannot tell two stories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, takewhile

from mockserver.contract.schema import POINTER, Schema, plain, source_of
from mockserver.core.findings import MOST_EXPLAINED, Finding, Severity
from mockserver.errors import LONGEST_VALUE, MOST_COMPARED, MOST_LISTED, nearest
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import UNDECIDED, matcher
from mockserver.jsonkit.pointer import MISSING

Trail = tuple[str | int, ...]
Spot = tuple[Trail, Trail]
"""Where a keyword broke: tokens in the schema, ending in the keyword, and tokens in the value."""

Spots = Callable[[Schema, Json], Iterable[Spot]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken keyword at one place: what a finding and a reply's text are made of.

    `declared` are the names of the members that the schema of an unknown member declares.
    """

    keyword: str
    tokens: Trail
    rule: str
    source: str
    expected: Json
    got: Json
    refusal: str | None = None
    message: str | None = None
    rank: tuple[int, ...] = ()
    order: tuple[str, int] = ("", 0)
    declared: tuple[str, ...] = ()

    def finding(self, severity: Severity = "error", *, prefix: Sequence[str | int] = ()) -> Finding:
        """Return it as a finding; `prefix` is put before its place."""
        return Finding(
            rule=self.rule,
            severity=severity,
            pointer=pointer.build((*prefix, *self.tokens)),
            expected=self.expected,
            got=self.got,
            source=self.source,
            message=explanation(self),
        )


def judge_spots(schema: Schema, value: Json) -> Iterable[Spot]:
    """Ask the judging engine (jsonschema-rs) where the value breaks the schema."""
    for error in schema.engine.iter_errors(value):
        *path, keyword = error.schema_path
        holder = pointer.get(schema.body, map(str, path))
        written = isinstance(holder, dict) and keyword in holder
        yield (*path, keyword if written else "pattern"), tuple(error.instance_path)  # `compile_schema` rewrites it


def reference_spots(schema: Schema, value: Json) -> Iterable[Spot]:
    """Ask the reference engine (jsonschema), imported only when something has to be explained."""
    from mockserver.core.reference_engine import let_go, validator

    for error in validator(schema).iter_errors(value):
        spot = tuple(error.absolute_schema_path), tuple(error.absolute_path)
        let_go(error)
        yield spot


def violations(schema: Schema, value: Json, spots: Spots = reference_spots) -> list[Violation]:
    """Return what the value breaks, in the order of the schema's members and keywords; empty when it fits.

    Of more than `MOST_EXPLAINED` violations these are the first that the engine finds.
    """
    first_seen: dict[tuple[str, Trail], Violation] = {}
    found = (_at(schema.body, schema_path, place, value) for schema_path, place in spots(schema, value))
    for violation in islice(chain.from_iterable(found), MOST_EXPLAINED):
        first_seen.setdefault((violation.rule, violation.tokens), violation)
    return sorted(first_seen.values(), key=lambda broken: (broken.rank, broken.order, broken.rule, str(broken.tokens)))


def _at(root: Mapping[str, Json], schema_path: Trail, place: Trail, value: Json) -> Iterable[Violation]:
    chain: list[Json] = [root]
    for token in schema_path[:-1]:
        chain.append(chain[-1][int(token) if isinstance(chain[-1], list) else token])
    holder, keyword = chain[-1], str(schema_path[-1])
    target = pointer.get(value, [str(token) for token in place])
    names: list[str | None] = [None]
    if keyword == "required" and isinstance(target, dict):
        names = [name for name in holder["required"] if name not in target]
    elif keyword == "additionalProperties" and isinstance(target, dict):
        names = [name for name in target if name not in holder.get("properties", {})]
    elif keyword == "anyOf" and isinstance(target, dict):
        # it points at the member that the first branch asks for, where one is named
        required = holder["anyOf"][0].get("required", ())
        names = [next((name for name in required if name not in target), required[0] if required else None)]
    expected = holder[keyword]
    if isinstance(expected, dict | list) and not all(isinstance(part, str) for part in expected):
        expected = plain(expected)
    for name in names:
        levels = [level for level in chain if isinstance(level, dict) and POINTER in level]
        if keyword == "required" and name in holder.get("properties", {}):
            levels.append(holder["properties"][name])
        tokens = place if name is None else (*place, name)
        got = pointer.get(value, [str(token) for token in tokens])
        yield Violation(
            keyword=keyword,
            tokens=tokens,
            rule=holder[POINTER] + pointer.build([keyword] + ([name] if name and keyword == "required" else [])),
            source=source_of(holder, keyword, name),
            expected={keyword: [name] if keyword == "required" else expected},
            got=None if got is MISSING else got,
            refusal=_nearest(levels, "refusal", keyword),
            message=_nearest(levels, "message", keyword),
            rank=_rank(root, tokens),
            order=(holder[POINTER], list(holder).index(keyword)),
            declared=tuple(holder.get("properties", ())) if keyword == "additionalProperties" else (),
        )


def _nearest(levels: Sequence[Mapping[str, Json]], name: str, keyword: str) -> str | None:
    for level in reversed(levels):
        value = level.get(name)
        if isinstance(value, dict):
            value = value.get(keyword)
        if value is not None:
            return str(value)
    return None


def _rank(root: Mapping[str, Json], tokens: Sequence[str | int]) -> tuple[int, ...]:
    """Order places as the schema declares its members; undeclared ones come first, as strict decoders find them."""
    rank: list[int] = []
    schema: Json = root
    for token in tokens:
        holder = schema if isinstance(schema, dict) else {}
        if isinstance(token, int):
            rank.append(token)
            schema = holder.get("items", {})
        else:
            declared = holder.get("properties", {})
            rank.append(list(declared).index(token) if token in declared else -1)
            schema = declared.get(token, {})
    return tuple(rank)


def explanation(violation: Violation) -> str:
    """Return the sentence of a finding: `describe`, with the candidates and the nearest one. No reply has it."""
    place, got = dotted(violation.tokens) or "the value", violation.got
    expected = violation.expected[violation.keyword]
    match violation.keyword:
        case "additionalProperties":
            return f"{place} is an unknown member{_known(str(violation.tokens[-1]), violation.declared)}"
        case "enum" | "unknown_type":
            return f"{place} must be one of {_listed(expected, got)}, got {_shown(got)}{_hint(got, expected)}"
        case "anyOf" if all(isinstance(branch, str) for branch in expected):  # pointers of an adapter's rule
            return f"one of {', '.join(expected)} is required"
        case "anyOf" if all(branch.keys() <= {"required", "x-source"} for branch in expected):
            names = " or ".join(" with ".join(branch["required"]) for branch in expected)
            holder = dotted(violation.tokens[:-1])
            return f"{names} is required{' in ' + holder if holder else ''}"
        case "pattern" if isinstance(got, str) and matcher(expected).decide(got) is None:
            return f"{describe(violation)}: {UNDECIDED}"
        case "anyOf":
            return f"{place} must match {' or '.join(map(_alternative, expected))}, got {_shown(got)}"
    return describe(violation)


def describe(violation: Violation) -> str:
    """Return one sentence with the expected and the actual value. Replies contain it where a contract has no text."""
    place, got = dotted(violation.tokens) or "the value", violation.got
    expected = violation.expected[violation.keyword]
    match violation.keyword:
        case "required":
            return f"{place} is required"
        case "additionalProperties":
            return f"{place} is not a known member"
        case "type" | "not_an_object":
            demand = f"be {' or '.join(expected) if isinstance(expected, list) else expected}"
        case "enum" | "unknown_type":
            more = f" and {len(expected) - MOST_COMPARED} others" if len(expected) > MOST_COMPARED else ""
            demand = f"be one of {', '.join(map(_shown, expected[:MOST_COMPARED]))}{more}"
        case "anyOf":
            demand = f"match one of {len(expected)} alternatives"
        case "format":
            demand = f"be a valid {expected}"
        case "pattern":
            demand = f"match {expected}"
        case "minItems" | "maxItems" as keyword:
            bound = "least" if keyword == "minItems" else "most"
            demand = f"have at {bound} {expected} item{'' if expected == 1 else 's'}"
            got = len(got) if isinstance(got, list) else got
        case "minProperties":
            demand = f"have at least {expected} member{'' if expected == 1 else 's'}"
        case "reserved":
            demand = f"come from one of the sources {', '.join(map(_shown, expected))}"
        case "window":
            demand = f"be within {expected['past_ms']} ms before and {expected['future_ms']} ms after now"
        case keyword:
            demand = f"have {keyword} {_shown(expected)}"
    return f"{place} must {demand}, got {_shown(got)}"


def _known(name: str, declared: Sequence[str]) -> str:
    """Return the end of the message about an unknown member: the nearest one, or else the known ones."""
    return _hint(name, declared) or (f"; available: {_listed(declared, name, str)}" if declared else "")


def _hint(got: Json, candidates: Sequence[Json]) -> str:
    texts = (candidate for candidate in candidates if isinstance(candidate, str))
    close = nearest(got, texts) if isinstance(got, str) else None
    return "" if close is None else f', did you mean "{close}"?'


def _listed(candidates: Sequence[Json], got: Json, shown: Callable[[Json], str] | None = None) -> str:
    """Return the candidates as a list; of many, those that start like the value, and the number of the others."""
    shown = shown or _shown
    if len(candidates) <= MOST_LISTED:
        return ", ".join(map(shown, candidates))
    start = str(got)[:LONGEST_VALUE].lower()
    ranked = sorted(candidates[:MOST_COMPARED], key=lambda candidate: -_shared_start(str(candidate).lower(), start))
    return f"{', '.join(map(shown, ranked[:MOST_LISTED]))} and {len(candidates) - MOST_LISTED} others"


def _shared_start(text: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


def _alternative(branch: Json) -> str:
    return _shown({keyword: value for keyword, value in branch.items() if keyword != "x-source"})


def _shown(value: Json, limit: int = 80) -> str:
    text = render(value).decode("utf-8", "replace")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def dotted(tokens: Iterable[str | int]) -> str:
    """Write a place as `events[1].context.$message_id`."""
    text = ""
    for token in tokens:
        if isinstance(token, int):
            text += f"[{token}]"
        else:
            text += f".{token}" if text else token
    return text
