"""What a good request may have beside its meaning: a query, headers of browsers, other keys, JSON written otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from mockserver import __version__
from mockserver.contract.sections import Credential
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request
from mockserver.verify.families.cors_rules import with_header
from mockserver.verify.families.sample_rules import plainest, with_own_id
from mockserver.verify.rule import MARK, Probe, Step
from mockserver.verify.rule_set import SECRET_PLACES, RuleSet

QUERY: Final = "utm_source=verify"
BROWSER: Final[Mapping[str, str]] = {
    "accept": "*/*",
    "accept-language": "de-DE,de;q=0.9,en;q=0.8",
    "cookie": "_ga=GA1.1.1; consent=%7B%22all%22%3Atrue%7D",
    "dnt": "1",
    "pragma": "no-cache",
    "referer": "https://app.example.com/pricing?plan=pro",
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "cross-site",
    "user-agent": f"Mozilla/5.0 (compatible; {MARK}/{__version__})",
    "x-requested-with": "XMLHttpRequest",
}
"""What browsers and programs in them send with each request."""
PAGE: Final = "text/html,application/xhtml+xml,application/xml;q=0.9"
"""The types that a browser asks for which opens a page; a client that says nothing of types may send it too."""
HEADERS: Final = {"from-browsers": BROWSER, "any-accept": {"accept": PAGE}}
OTHER_KEY: Final = "verify_other_key"
SCHEMES: Final = ("bearer", "BEARER")


def declare(rule_set: RuleSet) -> None:
    """Add, for each operation, that a good request stays one."""
    for plan in rule_set.operations():
        pointer, name = plan.operation.pointer, plan.operation.name
        rule_set.add(f"{pointer}/path#query", name, partial(_with_query, rule_set, plan, f"{pointer}/path#query"))
        for what, headers in HEADERS.items():
            rule = f"{pointer}#{what}"
            rule_set.add(rule, name, partial(_with_headers, rule_set, plan, headers, rule))
        _keys(rule_set, plan)
        gate = next((gate for gate in plan.operation.gates if gate.check == "json"), None)
        for number in range(2) if gate is not None and plan.takes_body else ():
            rule = f"{pointer if gate is None else gate.pointer}#written-otherwise"
            rule_set.add(rule, name, partial(_rewritten, rule_set, plan, number, rule))


def _good(rule_set: RuleSet, plan: OperationPlan) -> Request:
    return with_own_id(rule_set, plan.assembly.request(plainest(plan)[0]))


def _with_query(rule_set: RuleSet, plan: OperationPlan, fact: str) -> Probe | None:
    good = _good(rule_set, plan)
    return _probe(rule_set, plan, replace(good, path=f"{good.path}{'&' if '?' in good.path else '?'}{QUERY}"), fact)


def _with_headers(rule_set: RuleSet, plan: OperationPlan, headers: Mapping[str, str], fact: str) -> Probe | None:
    request = _good(rule_set, plan)
    for name, value in headers.items():
        request = with_header(request, name, value)
    return _probe(rule_set, plan, request, fact)


def _probe(rule_set: RuleSet, plan: OperationPlan, request: Request, fact: str) -> Probe | None:
    """Return the probe of a changed good request; None where the contract refuses it."""
    before = tuple(plan.before(plainest(plan)[0]))
    prediction = rule_set.predict(request, before)
    if prediction.status >= HTTPStatus.MULTIPLE_CHOICES:
        return None
    step = rule_set.step(request, fact, prediction)
    return Probe((*(Step(request=with_own_id(rule_set, each)) for each in before), step))


def _keys(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Add that keys may be written otherwise, and that others beside the one that counts are not looked at."""
    operation, pointer = plan.operation, plan.operation.pointer
    in_headers = {each.place: each for each in operation.credentials if each.place in SECRET_PLACES}
    others: dict[str, dict[str, str]] = {}
    if not in_headers:
        others[f"{pointer}#other-keys"] = {"authorization": f"Bearer {OTHER_KEY}", "x-api-key": OTHER_KEY}
    if len(in_headers) == len(SECRET_PLACES):
        others[f"{pointer}/credentials#first"] = {"authorization": f"Bearer {OTHER_KEY}"}
    for rule, headers in others.items():
        rule_set.add(rule, operation.name, partial(_with_headers, rule_set, plan, headers, rule))
    bearer = in_headers.get("bearer")
    for scheme in SCHEMES if bearer is not None else ():
        rule = f"{'' if bearer is None else bearer.pointer}#scheme"
        rule_set.add(rule, operation.name, partial(_with_scheme, rule_set, plan, scheme, rule))
    for credential in operation.credentials:
        if credential.place == "path":
            draft = partial(_encoded, rule_set, plan, credential)
            rule_set.add(f"{credential.pointer}#encoded", operation.name, draft)


def _with_scheme(rule_set: RuleSet, plan: OperationPlan, scheme: str, fact: str) -> Probe | None:
    number = next(n for n, each in enumerate(plan.operation.credentials) if each.place == "bearer")
    request = plan.assembly.request(replace(plainest(plan)[0], credential=number))
    key = next(value for name, value in request.headers if name == "authorization").partition(" ")[2]
    return _probe(rule_set, plan, with_header(request, "authorization", f"{scheme} {key}"), fact)


def _encoded(rule_set: RuleSet, plan: OperationPlan, credential: Credential) -> Probe | None:
    """Return the probe of a path in which a letter of the key is percent-encoded that need not be."""
    good, key = _good(rule_set, plan), rule_set.known_keys[credential.name]
    written = quote(key, safe="")
    if written[0] != key[0]:
        return None
    path = good.path.replace(f"/{written}", f"/%{ord(key[0]):02X}{written[1:]}", 1)
    return _probe(rule_set, plan, replace(good, path=path), f"{credential.pointer}#encoded")


def _rewritten(rule_set: RuleSet, plan: OperationPlan, number: int, fact: str) -> Probe | None:
    """Return the probe of a body with white space around it, or with all members in the opposite order."""
    good = _good(rule_set, plan)
    text = b" \r\n\t" + good.body + b"\r\n " if number == 0 else render(_reversed(good.json))
    return _probe(rule_set, plan, replace(good, body=text, json=MISSING), fact)


def _reversed(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _reversed(member) for name, member in reversed(value.items())}
    return [_reversed(item) for item in value] if isinstance(value, list) else value
