"""Odd values that a contract takes: words that programs mistake, members that no schema names, any time, all sizes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.keywords import types_of
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import Spot, spots
from mockserver.strategies.values import Schema, Values
from mockserver.verify.families.sample_rules import probe_of
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

WORDS: Final = (
    "0",
    "false",
    "null",
    "undefined",
    "NaN",
    "-1",
    "user+tag@mail.example.com",
    "a,b;c|d",
    'O\'Neil "x" \\ %20 + & # ?',
    "${jndi} {{x}} <script>",
    "  padded  ",
    "Zürich 東京 🎉",
)
"""Texts that stand for something else in some programs, or that they take for dangerous."""
URLS: Final = (
    "https://user@shop.example.com:8443/a%20b/+c?q=1&q=2&x[]=%C3%A4#/route?y=1",
    "HTTPS://EXAMPLE.COM",
    "http://[2001:db8::1]/",
    "server://ada+1@example.com",
)
"""The same for texts with a pattern that takes URLs."""
TIMES: Final = ("1999-12-31T23:59:59Z", "2099-01-01T00:00:00Z")
UNKNOWN: Final = "verify_note"


def declare(rule_set: RuleSet) -> None:
    """Add what the kinds of events of each form take."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for kind in form.kinds.values():
                _words(rule_set, plan, form, kind)
                _unknown(rule_set, plan, form, kind.values, kind)
                _times(rule_set, plan, form, kind)
                _stripped(rule_set, plan, form, kind)
            if form.envelope is not None:
                _unknown(rule_set, plan, form, form.envelope, None)
            _of_others(rule_set, plan, form)


def _words(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind) -> None:
    """Add a batch with an event for each word, or such requests one by one, if each text of an event may be any."""
    places = [spot for spot in spots(kind.values.root) if spot.tokens and _is_text(kind, spot.tokens, spot.schema)]
    places = [spot for spot in places if _is_free(form, kind, spot)]
    events = [event for word in (*WORDS, *URLS) for event in [_with_word(kind, places, word)] if event is not None]
    rule = f"/events/{kind.values.root[POINTER].partition('/events/')[2].split('/')[0] or plan.operation.name}#words"
    batches = [[event] for event in events] if form.form.single else [events]
    for batch in batches if events else ():
        rule_set.add(rule, plan.operation.name, partial(_good, rule_set, plan, form, batch, rule))


def _is_free(form: FormPlan, kind: Kind, spot: Spot) -> bool:
    """Tell whether everybody may send a member, and its place has no rule beside its schema."""
    value = kind.values.smallest(spot.schema, spot.tokens)
    return not form.diagnosis.of(form.body([put(kind.values.host(spot.tokens), spot.tokens, value)]))


def _is_text(kind: Kind, tokens: Tokens, schema: Schema) -> bool:
    plain = "string" in types_of(schema) and "enum" not in schema and "format" not in schema
    return plain and tokens not in kind.values.fixed and all(isinstance(token, str) for token in tokens)


def _with_word(kind: Kind, places: list[Spot], word: str) -> Json:
    """Return an event with a word at every place that takes it; None where there is none."""
    event, there = kind.values.least, False
    for spot in places:
        if kind.values.fits(spot.schema, word):
            event = put(kind.values.with_holder(event, spot.tokens), spot.tokens, word)
            there = True
    return event if there else None


def _unknown(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, values: Values, kind: Kind | None) -> None:
    """Add a request with an unknown member in each object that has others and is open."""
    opened = [
        spot.tokens
        for spot in spots(values.root)
        if spot.schema.get("properties") and spot.schema.get("additionalProperties") is None and _named(spot.tokens)
    ]
    if opened:
        rule = f"{values.root[POINTER]}#unknown-members"
        draft = partial(_with_unknown, rule_set, plan, form, values, opened, rule, event=kind is not None)
        rule_set.add(rule, plan.operation.name, draft)


def _named(tokens: Tokens) -> bool:
    return all(isinstance(token, str) for token in tokens)


def _with_unknown(
    rule_set: RuleSet,
    plan: OperationPlan,
    form: FormPlan,
    values: Values,
    places: list[Tokens],
    fact: str,
    *,
    event: bool,
) -> Probe | None:
    host = values.least
    for tokens in places:
        host = put(values.with_holder(host, (*tokens, UNKNOWN)), (*tokens, UNKNOWN), "text")
    if event:
        return _good(rule_set, plan, form, [host], fact)
    body = form.body([form.padding], host) if form.kinds else host
    return _of_body(rule_set, plan, form, body, fact)


def _times(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind) -> None:
    """Add that a time without a window may be any."""
    windows = {window.tokens for window in rule_set.contract.windows}
    for spot in spots(kind.values.root):
        if spot.schema.get("format") in ("date-time", "iso-8601") and spot.tokens not in windows:
            rule = f"{spot.schema[POINTER]}/format#any-time"
            for time in TIMES:
                event = put(kind.values.host(spot.tokens), spot.tokens, time)
                rule_set.add(rule, plan.operation.name, partial(_good, rule_set, plan, form, [event], rule))


def _stripped(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind) -> None:
    """Add that members which the server removes may be sent."""
    for name, strip in rule_set.contract.stored.strip.items():
        if look(kind.values.root, ("properties", strip.tokens[0])) is not MISSING:
            event = kind.values.with_holder(kind.values.least, (*strip.tokens, UNKNOWN))
            for member in strip.contains:
                event = put(event, (*strip.tokens, member), "text")
            fact = f"/protocol/stored/strip/{pointer.escape(name)}"
            draft = partial(_good, rule_set, plan, form, [event], fact)
            rule_set.add(f"{fact}#accepted", plan.operation.name, draft)


def _of_others(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    """Add that a body may have members of the operation's other forms, where the contract takes that."""
    for other in plan.forms.values():
        body = form.smallest() if other is form else _with_others(form, other)
        if other is not form and not form.diagnosis.of(body):
            rule = f"{plan.operation.pointer}/forms/{form.form.name}#members-of-{other.form.name}"
            rule_set.add(rule, plan.operation.name, partial(_of_body, rule_set, plan, form, body, rule))


def _with_others(form: FormPlan, other: FormPlan) -> Json:
    body, more = form.smallest(), dict(_members(other))
    more.update(other.smallest())
    for name, value in more.items():
        if isinstance(body, dict) and name not in body and name not in (other.form.events or ())[:1]:
            body = put(body, (name,), value)
    return body


def _members(form: FormPlan) -> Iterator[tuple[str, Json]]:
    """Yield the texts that the envelope of a form may have."""
    schema = {} if form.envelope is None else form.envelope.root
    for name, member in schema.get("properties", {}).items():
        if form.envelope is not None and "string" in types_of(member):
            yield name, form.envelope.smallest(member, (name,))


def _good(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, events: list[Json], fact: str) -> Probe | None:
    return _of_body(rule_set, plan, form, form.body(events), fact)


def _of_body(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, body: Json, fact: str) -> Probe | None:
    """Return the probe of a body; None where the contract refuses it."""
    if form.diagnosis.of(body):
        return None
    return probe_of(rule_set, plan.good(plan.parts(body), form.events_in(body)), fact=fact)
