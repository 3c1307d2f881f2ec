"""What may stand in free-form objects: names and values of every sort, each sent alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.places import Tokens, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import spots
from mockserver.strategies.values import Schema, Values, is_object
from mockserver.verify.families.sample_rules import probe_of
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

NAMES: Final = (
    "größe",
    "ключ",
    "日本",
    "😀",
    "e\u0301",
    "a\u2028b",
    "a\u0000b",
    "a\nb",
    "a.b.c",
    "$name",
    "__proto__",
    "constructor",
    "two words",
    "UPPER",
    "0",
    "a/b~c",
    "a-b",
    "[a]",
    "n" * 300,
)
"""Names of members that some programs stumble over."""
VALUES: Final[tuple[Json, ...]] = (
    -1,
    0,
    -0.5,
    1e-7,
    1e21,
    2**53 + 1,
    "",
    " ",
    "a\u2028b",
    "a\u0000b",
    "a\nb",
    "<b>&amp;</b>",
    "😀",
    "ا\u202eb",
    "x" * 5000,
    True,
    None,
    [],
    {},
    ["a", 1, None],
    [[["deep"]]],
    {"a": {"b": {"c": {"d": {}}}}},
    [{"sku": "a-1", "count": 2}] * 20,
)
"""Values of members that some programs stumble over."""
MEMBERS: Final = 60
"""Members of an object with many."""


TOGETHER: Final = 9
"""How many odd members are sent at once to objects of an operation after the first: that something is refused in one
object only is a rarer fault, and what it is can be found in the request."""


def declare(rule_set: RuleSet) -> None:
    """Add a rule for each free-form object: whatever stands in it is accepted."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for kind in form.kinds.values():
                _declare(rule_set, plan, form, kind.values, event=True)
            if form.envelope is not None:
                _declare(rule_set, plan, form, form.envelope, event=False)


def _declare(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, values: Values, *, event: bool) -> None:
    for spot in spots(values.root):
        if spot.tokens and _is_free(spot.schema):
            fact = spot.schema[POINTER]
            known = any(rule.endswith("#inside") for rule in rule_set.rules)
            for inside in _packed() if known else _insides():
                draft = partial(_with_inside, rule_set, plan, form, values, spot.tokens, inside, fact, event=event)
                rule_set.add(f"{fact}#inside", plan.operation.name, draft)


def _is_free(schema: Schema) -> bool:
    """Tell whether an object may have any members beside those it must have."""
    declared, required = schema.get("properties", {}), schema.get("required", ())
    return is_object(schema) and schema.get("additionalProperties") is not False and not set(declared) - set(required)


def _packed() -> Iterator[dict[str, Json]]:
    """Yield a few objects that have all together what `_insides` has one by one."""
    singles = list(_insides())
    for first in range(0, len(singles), TOGETHER):
        numbered = enumerate(singles[first : first + TOGETHER])
        yield {
            (f"note_{number}" if name == "note" else name): value
            for number, each in numbered
            for name, value in each.items()
        }


def _insides() -> Iterator[dict[str, Json]]:
    yield from ({name: "text"} for name in NAMES)
    yield from ({"note": value} for value in VALUES)
    yield {f"member_{number}": number for number in range(MEMBERS)}


def _with_inside(
    rule_set: RuleSet,
    plan: OperationPlan,
    form: FormPlan,
    values: Values,
    tokens: Tokens,
    inside: dict[str, Json],
    fact: str,
    *,
    event: bool,
) -> Probe | None:
    """Return the probe of a body with these members in a free-form object; None where the contract refuses them."""
    host = values.with_holder(values.least, (*tokens, "note"))
    for name, value in inside.items():
        host = put(host, (*tokens, name), value)
    body = form.body([host]) if event else form.body([form.padding], host) if form.kinds else host
    if form.diagnosis.of(body):
        return None
    return probe_of(rule_set, plan.good(plan.parts(body), form.events_in(body)), fact=fact)
