"""What else a good request rests on than the facts that it uses: why another server may refuse it for a good reason.

A page that says which members an event has need not say which of them may be left out, or how long a text may be. Where
only some bases count, a refused request is held against a target only if everything that is new in it counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.request_examples import request_examples
from mockserver.contract.schema import POINTER, source_of
from mockserver.core.model import Judged
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import Tokens, look, put
from mockserver.verify.replies.reply_facts import Fact, ReplyFacts
from mockserver.verify.rule import basis_of

Use = tuple[Fact, str]
"""A fact, and a short text for the value by which it is used: a member is one with each of its values."""
SHOWN: Final = 80
GRAMMAR: Final = ("format", "pattern")
"""Keywords that say which texts are taken: a text that is, is taken because of them too."""
_LETTERS: Final = re.compile("[a-z]+")
_DIGIT: Final = re.compile("[0-9]")
LONG: Final = 200
LARGEST: Final = 2**53
EDGE: Final = "inferred: nothing says that so odd a value is taken"
SCALARS: Final = "inferred: nothing says that members of a free-form object are other than texts"


class Doubts:
    """Tells on which facts of a contract a good request rests, beside those that it uses."""

    def __init__(self, contract: Contract, facts: ReplyFacts) -> None:
        self._contract = contract
        self._facts = facts

    def of(self, judged: Judged) -> Iterator[Use]:
        """Yield the facts; none for an example of a page, which says that it is taken as it is."""
        form = judged.form
        if form is None or _signature(judged, self._contract) in self._on_pages:
            return
        if form.request is not None and not form.single:
            yield from self._in(form.request.body, judged.body)
        for event in {repr(event)[:2000]: event for event in judged.events}.values():
            schema = form.schema_for(event)
            if schema is not None:
                yield from self._in(schema.body, event)

    @cached_property
    def _on_pages(self) -> set[bytes]:
        """The signatures of the examples that stand on pages."""
        folder = self._contract.folder
        examples = request_examples(Path(folder), library().meta) if folder else ()
        return {_bare(each.body, self._contract) for each in examples if basis_of(each.source) == "docs"}

    def _in(self, schema: Mapping[str, Json], value: Json) -> Iterator[Use]:
        if isinstance(value, list) and isinstance(schema.get("items"), dict):
            for item in value:
                yield from self._in(schema["items"], item)
        if not isinstance(value, dict):
            return
        members, others = schema.get("properties", {}), schema.get("additionalProperties")
        yield from self._left_out(members, value)
        yield from self._alternative(schema, value)
        for name, member in value.items():
            if name in members:
                yield from self._member(members[name], member)
            elif isinstance(others, dict):
                yield from self._in(others, member)
            elif not members and not isinstance(member, str | dict | list):
                stated = self._facts.behavior("inside_data")
                yield stated or Fact(f"{schema[POINTER]}#scalars", SCALARS), repr((name, member))[:SHOWN]

    def _left_out(self, members: Mapping[str, Mapping[str, Json]], value: Mapping[str, Json]) -> Iterator[Use]:
        """Yield which members need not be there: who says which ones must says that too."""
        for name, member in members.items():
            if name not in value and POINTER in member:
                holder = member[POINTER].rpartition("/properties/")[0]
                yield Fact(f"{member[POINTER]}#left-out", self._contract.source_of(f"{holder}/required")), ""

    def _alternative(self, schema: Mapping[str, Json], value: Mapping[str, Json]) -> Iterator[Use]:
        """Yield what the one alternative says that a value has, if there is only one."""
        fitting = [branch for branch in schema.get("anyOf", ()) if _fits(branch, value)]
        for branch in fitting if len(fitting) == 1 else ():
            for name in branch.get("required", ()):
                yield Fact(f"{branch[POINTER]}/required", source_of(branch, "required", name)), ""
            for name, member in branch.get("properties", {}).items():
                if value.get(name) in member.get("enum", ()):
                    place = f"{member[POINTER]}/enum/{value[name]}"
                    yield Fact(place, source_of(member, "enum", value[name])), ""

    def _member(self, schema: Mapping[str, Json], value: Json) -> Iterator[Use]:
        if isinstance(value, dict | list) and value:
            yield from self._in(schema, value)
            return
        for keyword in GRAMMAR:
            if keyword in schema:
                yield Fact(f"{schema[POINTER]}/{keyword}", source_of(schema, keyword)), _form(repr(value))[:SHOWN]
        if not _is_ordinary(value) and value not in schema.get("enum", ()):
            yield Fact(f"{schema[POINTER]}#edge", EDGE), repr(value)[:SHOWN]


def _fits(branch: Mapping[str, Json], value: Mapping[str, Json]) -> bool:
    """Tell whether a value has what an alternative requires, with words that it lists."""
    members = branch.get("properties", {})
    return all(name in value for name in branch.get("required", ())) and all(
        value.get(name) in member["enum"] for name, member in members.items() if "enum" in member
    )


def _form(text: str) -> str:
    """Return what texts of one form have in common."""
    return _DIGIT.sub("0", _LETTERS.sub("a", text))


def _is_ordinary(value: Json) -> bool:
    """Tell whether a value is one that no server looks at twice."""
    if isinstance(value, str):
        return 0 < len(value) <= LONG and value.strip() == value and value.isprintable()
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return 0 < value < LARGEST and value == int(value)
    return False


def _signature(judged: Judged, contract: Contract) -> bytes:
    """Return what is equal in requests with equal bodies; empty for one without a body."""
    return b"" if judged.body is None else _bare(judged.body, contract)


def _bare(body: Json, contract: Contract) -> bytes:
    """Return a body as text, without its keys and the times that have a window."""
    for credential in contract.credentials.values():
        if credential.place == "body":
            body = _without(body, credential.tokens)
    for window in contract.windows:
        body = _without(body, window.tokens)
        for place in {form.events for operation in contract.operations.values() for form in operation.forms.values()}:
            events = look(body, place or ())
            for index in range(len(events) if isinstance(events, list) else 0):
                body = _without(body, (*(place or ()), index, *window.tokens))
    return render(body)


def _without(body: Json, place: Tokens) -> Json:
    return body if look(body, place) is MISSING else put(body, place, None)
