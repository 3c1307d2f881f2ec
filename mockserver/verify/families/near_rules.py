"""Values that miss a rule, or a pattern, by little, as a server that is too kind takes them; and texts that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from functools import partial
from typing import Final

from mockserver.contract.schema import POINTER
from mockserver.contract.sections import Credential
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.gate_mutations import changed
from mockserver.strategies.keywords import types_of
from mockserver.strategies.places import Edit, Tokens, apply, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import Mutation, spots
from mockserver.strategies.values import Schema
from mockserver.verify.families.sample_rules import plainest, probe_of, with_bad_event
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

NEAR: Final[Mapping[str, tuple[Json, ...]]] = {
    "string": (1_781_438_402, 1_781_438_402_300, ["text"], {"value": "text"}),
    "number": ("1.5", "1781438402300", "2026-06-14T12:00:02.300Z", [5]),
    "integer": (),
    "boolean": ("true", "false", "True", 1, 0, "yes"),
    "object": ("{}", '{"a":1}', [{}]),
    "array": ("[]", {"0": {}}),
}
"""Values that are not of a type, but are read as if they were by some programs; beside those that the corpus has."""
SEPARATORS: Final = ("_", "-", ".", " ", "$", ":", "/")
GOOD: Final = (
    "0",
    "a",
    "7up",
    "2024",
    "a_1",
    "a1_2b_3",
    "a_b_c_d_e_f",
    "x" * 65,
    "x" * 256,
    "UPPER",
    "Two Words",
    "a-b.c",
    "größe",
)
"""Texts that a pattern may take, and a server's own idea of it may not."""


def declare(rule_set: RuleSet) -> None:
    """Add what nearly fits to the rules that refuse it, and a rule for the texts that each pattern takes."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for kind in form.kinds.values():
                _events(rule_set, plan, form, kind)
            _envelopes(rule_set, plan, form)
        _keys(rule_set, plan)


def _events(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind) -> None:
    for spot in spots(kind.values.root):
        at, schema = spot.tokens, spot.schema
        for keyword, values in _near(kind, at, schema) if at and at not in kind.values.fixed else ():
            rule = f"{schema[POINTER]}/{keyword}"
            for value in values if rule in rule_set.rules else ():
                draft = partial(_bad_event, rule_set, plan, form, kind, rule, keyword, at, ((at, value),))
                rule_set.add(rule, plan.operation.name, draft)
        for name in schema.get("required", ()):
            rule, place = f"{schema[POINTER]}/required/{pointer.escape(name)}", (*at, name)
            others = (other for other in _other_names(name) if other not in schema.get("properties", {}))
            for other in others if rule in rule_set.rules else ():
                edit = ((place, MISSING), ((*at, other), kind.values.smallest(_member(schema, name), place)))
                draft = partial(_bad_event, rule_set, plan, form, kind, rule, "required", place, edit)
                rule_set.add(rule, plan.operation.name, draft)
        if at and "pattern" in schema and at not in kind.values.fixed:
            for text in (text for text in GOOD if kind.values.fits(schema, text)):
                draft = partial(_good_event, rule_set, plan, form, kind, schema, at, text)
                rule_set.add(f"{schema[POINTER]}/pattern#good", plan.operation.name, draft)


def _member(schema: Schema, name: str) -> Schema:
    found = schema.get("properties", {}).get(name, {})
    return found if isinstance(found, Mapping) else {}


def _near(kind: Kind, at: Tokens, schema: Schema) -> Iterator[tuple[str, list[Json]]]:
    """Yield keywords of a schema with values that nearly have what they ask for."""
    if "type" in schema:
        yield "type", [value for name in types_of(schema) for value in NEAR.get(name, ())]
    if "enum" in schema:
        words = [word for word in schema["enum"] if isinstance(word, str)]
        yield "enum", [other for word in words for other in _other_words(word) if other not in words]
    if "format" in schema:
        yield "format", list(_near_times(kind.values.time_frame.now_ms))
    if "pattern" in schema:
        texts = [edge for edge in kind.values.edges(schema, at) if isinstance(edge, str) and edge.strip()]
        yield "pattern", list(dict.fromkeys(near for text in texts[:1] for near in near_texts(text)))


def _near_times(now_ms: int) -> Iterator[str]:
    """Yield the time in forms that ISO 8601 or other standards have and RFC 3339 has not."""
    now = rfc3339_ms(now_ms)
    yield from (f"{now[:16]}Z", f"{now[:13]}Z", now[:10].replace("-", ""), re.sub("[-:]", "", now))
    yield from (
        formatdate(now_ms / 1000, usegmt=True),
        str(now_ms // 1000),
        f"{now[:-1]} UTC",
        now.replace(".", ","),
        f" {now}",
        f"{now[:11]}24:00:00Z",
    )


def _other_words(word: str) -> tuple[str, ...]:
    return word.upper(), word.capitalize(), f" {word}", f"{word}\n", f"{word}s", word.replace("_", "-")


def _other_names(name: str) -> Iterator[str]:
    """Yield a name in the style of another language: snake for camel, camel for snake; and in another case."""
    yield from {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name), _camel(name), name.capitalize()} - {name}


def _camel(name: str) -> str:
    return re.sub("(?<=[a-z0-9])_([a-z])", lambda found: found[1].upper(), name)


def near_texts(text: str) -> Iterator[str]:
    """Yield texts that differ from one in a single way: in a class of characters, a separator, a repetition, an end."""
    middle = max(1, len(text) // 2)
    yield from (text.upper(), text.capitalize(), f"{text[:middle]}{text[middle:].upper()}")
    for separator in SEPARATORS:
        yield from (f"{text}{separator}", f"{separator}{text}", f"a{separator}b", f"a{separator * 2}b")
        yield f"{text[:middle]}{separator}{text[middle:]}"
        yield text.replace("_", separator)
    yield from (f"{text}\n", f"\n{text}", f" {text}", f"{text} ", f"\t{text}", f"{text}\u00a0", f"{text}\0")
    yield from (f"{text}é", f"{text}١", f"{text}ａ", f"{text}\u0301", f"{text}\n{text}", "")


def _bad_event(
    rule_set: RuleSet,
    plan: OperationPlan,
    form: FormPlan,
    kind: Kind,
    rule: str,
    keyword: str,
    at: Tokens,
    edit: Edit,
) -> Probe | None:
    """Return the probe of an event that breaks a rule and no other; None where it does not."""
    body = form.body([apply(kind.values.host(at), edit)])
    if form.diagnosis.of(body) != [BrokenRule(rule, at, None if form.form.single else 0)]:
        return None
    mutation = Mutation(rule=rule, keyword=keyword, ways=((at, edit),))
    return probe_of(rule_set, with_bad_event(plan, form, body, mutation, at))


def _good_event(
    rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind, schema: Schema, at: Tokens, text: str
) -> Probe | None:
    body = form.body([put(kind.values.host(at), at, text)])
    if form.diagnosis.of(body):
        return None
    sample = plan.good(plan.parts(body), form.events_in(body))
    return probe_of(rule_set, sample, fact=f"{schema[POINTER]}/pattern")


def _envelopes(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    """Add bodies whose events stand without an envelope, or are JSON in a text."""
    place, gate = form.form.events, plan.operation.gate("object")
    if place is None or form.form.single or gate is None:
        return
    events = [form.padding]
    rule_set.add(f"{gate.pointer}#not_an_object", plan.operation.name, partial(_bare, rule_set, plan, events))
    if form.envelope is not None:
        rule = f"{_schema_at(form, place)[POINTER]}/type"
        for value in (json.dumps(events), {"0": form.padding}, form.padding):
            draft = partial(_bad_envelope, rule_set, plan, form, rule, place, value)
            rule_set.add(rule, plan.operation.name, draft)


def _bare(rule_set: RuleSet, plan: OperationPlan, events: list[Json]) -> Probe:
    gate = plan.operation.gate("object")
    fact = plan.operation.pointer if gate is None else gate.pointer
    return rule_set.probe(plan.assembly.request(plan.parts(events)), fact)


def _schema_at(form: FormPlan, place: Tokens) -> Schema:
    assert form.envelope is not None
    return next(spot.schema for spot in spots(form.envelope.root) if spot.tokens == place)


def _bad_envelope(
    rule_set: RuleSet, plan: OperationPlan, form: FormPlan, rule: str, place: Tokens, value: Json
) -> Probe | None:
    body = put(form.smallest(), place, value)
    if form.diagnosis.of(body) != [BrokenRule(rule, place)]:
        return None
    edit: Edit = ((place, value),)
    mutation = Mutation(rule=rule, keyword="type", ways=((place, edit),))
    return probe_of(rule_set, plan.refused(plan.parts(body), mutation, place))


def _keys(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Add keys that are nearly well formed."""
    for number, credential in enumerate(plan.operation.credentials):
        key = rule_set.known_keys.get(credential.name)
        if credential.pattern is not None and key is not None:
            for near in _near_keys(credential, key):
                draft = partial(_with_key, rule_set, plan, near, number, f"{credential.pointer}/pattern")
                rule_set.add(f"{credential.pointer}/pattern#malformed", plan.operation.name, draft)


def _near_keys(credential: Credential, key: str) -> list[str]:
    parts = key.split("_")
    near = [key.upper(), key.capitalize(), f"x{key}", key[1:], key.replace("_", "-"), key.replace("_", "", 1)]
    near += ["".join(parts), "_".join(parts[:1] + parts[2:]), "_".join([*parts[:1], "other", *parts[2:]])]
    return [each for each in dict.fromkeys(near) if each and not matches(credential.pattern or "", each)]


def _with_key(rule_set: RuleSet, plan: OperationPlan, key: str, number: int, fact: str) -> Probe:
    request = plan.assembly.request(changed(key=key, credential=number)(plainest(plan)[0]))
    return rule_set.probe(request, fact)
