"""Valid values of one schema, without chance: the smallest one, and those at every edge.

A reader should recognise an event, so the smallest value of a text is not the shortest but the plainest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Final, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.contract.provenance import SOURCE, SOURCES
from mockserver.contract.schema import OWN_KEYWORDS, POINTER, compile_schema, replace_subschemas
from mockserver.contract.sections import Window
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS, epoch_ms, rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import plausible
from mockserver.strategies.keywords import LEAVES, types_of
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.texts import moment_texts, text_for

Schema: TypeAlias = Mapping[str, Json]
LIMITING: Final = frozenset(LEAVES) - {"type"}
"""Keywords whose edges are all worth showing."""
MOST_A_FLOAT_TAKES: Final = 25
"""Writers of JSON spell a float in their own ways: 1e300, 1e+300, 10000000000000000. None takes more bytes."""
MOST_ITEMS: Final = 1_000_000
"""No array is made longer: no protocol takes a body of this size."""
MOST_SPARE: Final = 1_000
"""No object gets more members than so many that nothing declares."""
SPARE_NAME: Final = "member_"
LONGEST_SCHEMA: Final = 500
"""How many characters of a schema an error quotes."""


class TimeFrame:
    """The time generated values are near: `now_ms`, and the windows of the contract around it.

    `slack_ms` keeps valid times that far inside a window's ends, and invalid ones that far beyond.
    """

    def __init__(self, contract: Contract, now_ms: int, slack_ms: int = 0) -> None:
        self.now_ms = now_ms
        self.slack_ms = slack_ms
        self.windows: dict[Tokens, Window] = {window.tokens: window for window in contract.windows}

    def inside(self, tokens: Tokens) -> tuple[int, int] | None:
        """Return how far a time at this place of an event may be from now, both ends valid; None where it is free."""
        window = self.windows.get(tokens)
        return None if window is None else (self.slack_ms - window.past_ms, window.future_ms - self.slack_ms)


def _longest_json(value: Json) -> int:
    """Return how many bytes a value takes as compact JSON, whoever writes its floats."""
    if isinstance(value, float):
        return MOST_A_FLOAT_TAKES
    if isinstance(value, dict):
        members = sum(len(render(name)) + len(":,") + _longest_json(member) for name, member in value.items())
        return len("{}") + members - bool(value)
    if isinstance(value, list):
        return len("[]") + sum(_longest_json(item) + len(",") for item in value) - bool(value)
    return len(render(value))


class Values:
    """The values of one root schema.

    `fixed` says what always stands at a place, `extra` what is worth trying there beside the edges of the schema, and
    `most_bytes` how large a member may be.
    """

    def __init__(self, root: Schema, time_frame: TimeFrame, fixed: dict[Tokens, Json], *, nulls_absent: bool) -> None:
        self.root = root
        self.time_frame = time_frame
        self.fixed = fixed
        self.extra: dict[Tokens, list[Json]] = {}
        self.most_bytes: dict[Tokens, int] = {}
        self.nulls_absent = nulls_absent
        self._engines: dict[int, tuple[Schema, Callable[[Json], bool]]] = {}
        self._branches: dict[int, tuple[Schema, list[Schema]]] = {}
        self._hosts: dict[Tokens, Json] = {}
        self._edges: dict[tuple[int, Tokens], tuple[Schema, list[Json]]] = {}

    @cached_property
    def least(self) -> Json:
        """The smallest value of the whole schema."""
        return self.smallest(self.root, ())

    def fits(self, schema: Schema, value: Json) -> bool:
        """Tell whether a value fits a schema."""
        if id(schema) not in self._engines:
            self._engines[id(schema)] = (schema, compile_schema(schema, FORMATS).is_valid)
        return self._engines[id(schema)][1](value)

    def takes(self, schema: Schema, tokens: Tokens, value: Json) -> bool:
        """Tell whether a value fits a schema, and the time window or the size of a member at this place."""
        most = self.most_bytes.get(tokens)
        if most is not None and _longest_json(value) > most:
            return False
        return self.fits(schema, value) and self._in_time(tokens, value)

    def _in_time(self, tokens: Tokens, value: Json) -> bool:
        reach = self.time_frame.inside(tokens)
        if reach is None or value is None:
            return True
        moment = epoch_ms(value) if isinstance(value, str) else None
        return moment is not None and reach[0] <= moment - self.time_frame.now_ms <= reach[1]

    def branches(self, schema: Schema) -> list[Schema]:
        """Return a schema's alternatives, each laid over what they share; the schema itself where it has none."""
        if id(schema) not in self._branches:
            branches = [merged(schema, branch) for branch in schema["anyOf"]] if "anyOf" in schema else [schema]
            self._branches[id(schema)] = (schema, branches)
        return self._branches[id(schema)][1]

    def smallest(self, schema: Schema, tokens: Tokens) -> Json:
        """Return the plainest value of the schema at this place. Raises ContractError where none is known."""
        if tokens in self.fixed:
            return self.fixed[tokens]
        if is_object(schema) and schema.get("properties"):
            return self.object_with(self.branches(schema)[0], tokens, ())
        if is_array(schema) and schema.get("minItems"):
            if schema["minItems"] > MOST_ITEMS:
                raise _nothing_fits(schema, None)
            return [self.smallest(schema.get("items", {}), (*tokens, 0))] * schema["minItems"]
        return self.edges(schema, tokens)[0]

    def object_with(self, schema: Schema, tokens: Tokens, names: Iterable[str]) -> dict[str, Json]:
        """Return the smallest object that also has the members named."""
        chosen = {*schema.get("required", ()), *names}
        declared = schema.get("properties", {})
        for name in (*declared, *(f"{SPARE_NAME}{number}" for number in range(MOST_SPARE))):
            if len(chosen) >= schema.get("minProperties", 0):
                break
            chosen.add(name)
        listed = [*(name for name in declared if name in chosen), *sorted(chosen - set(declared))]
        return {name: self.smallest(declared.get(name, {}), (*tokens, name)) for name in listed}

    def edges(self, schema: Schema, tokens: Tokens) -> list[Json]:
        """Return the values worth trying at this place, plainest first."""
        key = (id(schema), tokens)
        if key not in self._edges:
            edges = [self.fixed[tokens]] if tokens in self.fixed else self._find_edges(schema, tokens)
            others = (value for value in self.extra.get(tokens, ()) if self.takes(schema, tokens, value))
            self._edges[key] = (schema, [*edges, *others])
        return self._edges[key][1]

    def _find_edges(self, schema: Schema, tokens: Tokens) -> list[Json]:
        if is_object(schema) and schema.get("properties"):
            return list(distinct(self._objects(schema, tokens)))
        if is_array(schema) and "items" in schema:
            return list(distinct(self._arrays(schema, tokens)))
        edges = list(distinct(value for value in self._leaves(schema, tokens) if self.takes(schema, tokens, value)))
        if not edges and tokens not in self.time_frame.windows:
            patterns = [branch["pattern"] for branch in self.branches(schema) if "pattern" in branch]
            found = (text_for(text, partial(self.fits, schema), schema.get("minLength", 0)) for text in patterns)
            edges = next((list[Json](texts) for texts in found if texts), [])
        if not edges:
            raise _nothing_fits(schema, self.time_frame.inside(tokens))
        return edges

    def _leaves(self, schema: Schema, tokens: Tokens) -> Iterator[Json]:
        reach = self.time_frame.inside(tokens)
        if reach is not None:
            inside = [offset for offset in (0, -1000, *reach) if reach[0] <= offset <= reach[1]]
            yield from (rfc3339_ms(self.time_frame.now_ms + offset) for offset in inside)
            yield from (text for end in reach for text in moment_texts(self.time_frame.now_ms + end))
            return
        yield from schema.get("examples", ())
        named = plausible.by_name(str(tokens[-1]) if tokens else "", self.time_frame.now_ms)
        if "format" not in schema and "enum" not in schema:
            yield from named
        for branch in self.branches(schema):
            for keyword, entry in LEAVES.items():
                if keyword in branch and keyword != "type":
                    yield from entry.inside(branch[keyword], self.time_frame.now_ms)
        if schema.get("minProperties"):
            yield self.object_with(schema, tokens, ())
        if "enum" not in schema and "const" not in schema:
            yield from LEAVES["type"].inside(schema.get("type"), self.time_frame.now_ms)

    def _objects(self, schema: Schema, tokens: Tokens) -> Iterator[Json]:
        for branch in self.branches(schema):
            yield self.object_with(branch, tokens, ())
            yield self.object_with(branch, tokens, branch["properties"])

    def _arrays(self, schema: Schema, tokens: Tokens) -> Iterator[Json]:
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 3), MOST_ITEMS)
        if least > most:
            raise _nothing_fits(schema, None)
        items = self.edges(schema["items"], (*tokens, 0))
        for size in (least, min(least + 1, most), most):
            yield [items[index % len(items)] for index in range(size)]

    def host(self, tokens: Tokens) -> Json:
        """Return the smallest value that has the holder of this place."""
        host = self._hosts.get(tokens)
        if host is None:
            host = self._hosts[tokens] = self.with_holder(self.least, tokens)
        return host

    def with_holder(self, value: Json, tokens: Tokens) -> Json:
        """Return the value with everything above a place filled in, as small as it goes."""
        schema: Schema = self.root
        for depth, token in enumerate(tokens[:-1], 1):
            schema = inner(schema, token)
            place = tokens[:depth]
            if look(value, place) in (MISSING, None):
                value = _put_item(value, place, self.smallest(schema, place))
            if isinstance(tokens[depth], int) and not look(value, place):
                value = put(value, place, [self.smallest(inner(schema, 0), (*place, 0))])
        return value

    def steady(self, value: Json) -> Json:
        """Return the value with the first alternative of every `anyOf` met; a mutation elsewhere then breaks none."""
        return self._steady(self.root, (), value)

    def _steady(self, schema: Schema, tokens: Tokens, value: Json) -> Json:
        if "anyOf" in schema and isinstance(look(value, tokens), dict):
            branch = self.branches(schema)[0]
            first = schema["anyOf"][0]
            for name in dict.fromkeys([*first.get("required", ()), *first.get("properties", {})]):
                place = (*tokens, name)
                value = put(value, place, self.smallest(branch.get("properties", {}).get(name, {}), place))
        for name, member in schema.get("properties", {}).items():
            value = self._steady(member, (*tokens, name), value)
        return value

    def variants(self, known: set[str]) -> Iterator[Json]:
        """Yield valid values of the whole schema: the smallest, every edge of every member alone, all together.

        Members whose schema stands in `known` by its contract pointer were tried elsewhere; it grows.
        """
        yield from distinct(self._variants(self.root, (), self.least, known))

    def _variants(self, schema: Schema, tokens: Tokens, host: Json, known: set[str]) -> Iterator[Json]:
        for branch in self.branches(schema):
            declared = branch.get("properties", {})
            least = self.object_with(branch, tokens, ())
            yield put(host, tokens, least)
            yield put(host, tokens, self.object_with(branch, tokens, declared))
            for name, member in declared.items():
                mark = member.get(POINTER, "")
                if mark not in known or not mark:
                    yield from self._member_variants(branch, name, member, tokens, put(host, tokens, least), known)
        known.update(member.get(POINTER, "") for member in schema.get("properties", {}).values())

    def _member_variants(
        self, schema: Schema, name: str, member: Schema, tokens: Tokens, host: Json, known: set[str]
    ) -> Iterator[Json]:
        place = (*tokens, name)
        edges = self.edges(member, place)
        free = not LIMITING & member.keys() and "object" not in types_of(member)
        for value in [edges[0], *(edge for edge in edges if edge in plausible.TELLING)] if free else edges:
            yield put(host, place, value)
        if place not in self.fixed and self.may_be_null(schema, name):
            yield put(host, place, None)
        if is_object(member) and member.get("properties"):
            yield from self._variants(member, place, put(host, place, self.smallest(member, place)), known)
        elif is_array(member) and is_object(member.get("items", {})) and "items" in member:
            single = put(host, place, [self.smallest(member["items"], (*place, 0))])
            yield from self._variants(member["items"], (*place, 0), single, known)

    def may_be_null(self, schema: Schema, name: str) -> bool:
        """Tell whether an optional member may be null because null counts as absent."""
        optional = name not in schema.get("required", ()) and name in schema.get("properties", {})
        return self.nulls_absent and optional and not self.fits(schema["properties"][name], None)


def _nothing_fits(schema: Schema, reach: tuple[int, int] | None) -> ContractError:
    stated = [schema.get(SOURCE, ""), *schema.get(SOURCES, {}).values()]
    patches = [source.removeprefix("patch: ") for source in stated if source.startswith("patch: ")]
    window = "" if reach is None else " and lies in the time window"
    problem = f"no value is known that fits {json.dumps(_standard(schema))[:LONGEST_SCHEMA]}{window}"
    return ContractError(
        patches[0] if patches else "contract", schema.get(POINTER, ""), f"{problem}; give one under examples"
    )


def _standard(schema: Schema) -> Schema:
    """Return a schema without the keywords of the contract language."""
    inner_ones = replace_subschemas(schema, lambda _, inner: dict(_standard(inner)))
    return {name: value for name, value in inner_ones.items() if name not in OWN_KEYWORDS}


def _put_item(value: Json, tokens: Tokens, new: Json) -> Json:
    """Put a value at a place; in an empty array it becomes the first item."""
    holder = look(value, tokens[:-1])
    if isinstance(holder, list) and not holder:
        return put(value, tokens[:-1], [new])
    return put(value, tokens, new)


def distinct(values: Iterable[Json]) -> Iterator[Json]:
    """Yield each value once; 1 and true are two."""
    seen: set[bytes] = set()
    for value in values:
        text = render(value)
        if text not in seen:
            seen.add(text)
            yield value


def is_object(schema: Schema) -> bool:
    """Tell whether a schema is about objects."""
    return types_of(schema) == ("object",) or ("type" not in schema and "properties" in schema)


def is_array(schema: Schema) -> bool:
    """Tell whether a schema is about arrays."""
    return types_of(schema) == ("array",)


def merged(schema: Schema, branch: Schema) -> Schema:
    """Lay an alternative over what it shares with the others."""
    both = {**{name: value for name, value in schema.items() if name != "anyOf"}, **branch}
    required = [*schema.get("required", ()), *branch.get("required", ())]
    declared = dict(schema.get("properties", {}))
    for name, member in branch.get("properties", {}).items():
        declared[name] = _both(declared.get(name, {}), member)
    if required:
        both["required"] = list(dict.fromkeys(required))
    if declared:
        both["properties"] = declared
    return both


def _both(shared: Schema, member: Schema) -> Schema:
    """Lay one schema over another; of a keyword that both have, the shared one stays, and the other is asked too."""
    twice = {name for name in shared.keys() & member.keys() if name in LEAVES and shared[name] != member[name]}
    if not twice:
        return {**shared, **member}
    return {**shared, **member, **{name: shared[name] for name in twice}, "allOf": [member]}


def inner(schema: Schema, token: str | int) -> Schema:
    """Return the schema of a member or of the items; an open one where nothing is said."""
    if isinstance(token, int):
        member = schema.get("items", {})
    else:
        member = schema.get("properties", {}).get(token, schema.get("additionalProperties", {}))
    return member if isinstance(member, Mapping) else {}
