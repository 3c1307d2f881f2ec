"""Texts in other encodings: bodies that are not UTF-8, compressed ones, and replies, which must be plain UTF-8."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import Parts
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request
from mockserver.verify.families.sample_rules import plainest
from mockserver.verify.replies.reply_headers import quoted
from mockserver.verify.rule import Check, Difference, Probe, Reply, Step
from mockserver.verify.rule_set import RuleSet

UTF_8: Final = ("", "utf-8", "utf8")
"""What the charset of a JSON reply may be."""
LOCAL: Final = "größe"
"""The name of a member whose bytes tell one encoding from another."""
CHARSETS: Final = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8-sig")
"""Encodings of JSON that RFC 8259 section 8.1 forbids, the last one for its byte order mark."""
Pack = Callable[[bytes], bytes]


def _raw_deflate(text: bytes) -> bytes:
    squeezed = zlib.compressobj(wbits=-15)
    return squeezed.compress(text) + squeezed.flush()


PACKED: Final[tuple[tuple[str, Pack], ...]] = (
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("identity", bytes),
    ("gzip", bytes),
    ("gzip", lambda text: gzip.compress(text)[:-9]),
    ("gzip", lambda text: gzip.compress(text) + b"more"),
    ("gzip, gzip", lambda text: gzip.compress(gzip.compress(text))),
    ("deflate", _raw_deflate),
    ("br", bytes),
    ("base64", bytes),
)
"""Names of content encodings with what is sent under them; the contract says which of them are read."""


def declare(rule_set: RuleSet) -> None:
    """Add, for each operation that reads a body, how its bytes may be written; for every operation, how replies are."""
    for plan in rule_set.operations():
        operation = plan.operation
        rule_set.add(f"{operation.pointer}/replies#utf-8", operation.name, partial(_plain_reply, rule_set, plan))
        gates = {gate.check: gate for gate in operation.gates}
        if not plan.takes_body or "json" not in gates:
            continue
        _charsets(rule_set, plan, gates["json"].pointer)
        if "encoding" in gates:
            _encodings(rule_set, plan, gates["encoding"].pointer)


def _charsets(rule_set: RuleSet, plan: OperationPlan, gate: str) -> None:
    for charset in CHARSETS:
        rule_set.add(f"{gate}#{charset}", plan.operation.name, partial(_in_charset, rule_set, plan, charset, gate))


def _encodings(rule_set: RuleSet, plan: OperationPlan, gate: str) -> None:
    known: set[str] = set()
    for number, (name, _) in enumerate(PACKED):
        what = name.replace(", ", "-") + ("-broken" if name in known else "")
        known.add(name)
        rule_set.add(f"{gate}#{what}", plan.operation.name, partial(_packed, rule_set, plan, number, gate))


def _text(plan: OperationPlan) -> tuple[Parts, bytes]:
    """Return the parts of the smallest good request with its body as text, whose members are put there already."""
    parts, _ = plainest(plan)
    request = plan.assembly.request(parts)
    return parts, request.body


def _in_charset(rule_set: RuleSet, plan: OperationPlan, charset: str, fact: str) -> Probe | None:
    """Return the probe of a body in another encoding; None where it has the same bytes in UTF-8."""
    _, text = _text(plan)
    body = _with_local_letters(plan, text) if charset == "latin-1" else text
    if body is None:
        return None
    good = plan.assembly.request(plainest(plan)[0])
    request = replace(good, body=body.decode("utf-8").encode(charset), json=MISSING)
    return rule_set.probe(request, fact)


def _with_local_letters(plan: OperationPlan, text: bytes) -> bytes | None:
    """Return a good body with letters that are not ASCII in one of its texts; None where none is known."""
    for form in plan.forms.values():
        for kind in form.kinds.values():
            for name, member in kind.values.root.get("properties", {}).items():
                if member.get("type") != "string" or (name,) in kind.values.fixed:
                    continue
                body: Json = form.body([{**kind.values.least, name: LOCAL}])
                if not form.diagnosis.of(body):
                    return plan.assembly.request(plan.parts(body)).body
    return None


def _packed(rule_set: RuleSet, plan: OperationPlan, number: int, fact: str) -> Probe:
    parts, text = _text(plan)
    name, pack = PACKED[number]
    request = plan.assembly.request(replace(parts, encoding=name))
    return rule_set.probe(replace(request, body=pack(text), json=MISSING), fact)


def _plain_reply(rule_set: RuleSet, plan: OperationPlan) -> Probe:
    """Return the probe of a good and a bad request whose replies are JSON in UTF-8, as no other was asked for."""
    fact = f"{plan.operation.pointer}/replies"
    good = plan.assembly.request(plainest(plan)[0])
    steps = [Step(request=good, check=_is_plain(fact))]
    if plan.takes_body and plan.operation.gate("json") is not None:
        steps.append(Step(request=_broken(good), check=_is_plain(fact)))
    return Probe(tuple(steps))


def _broken(request: Request) -> Request:
    return replace(request, body=render({"größe": "😀"})[:-1], json=MISSING)


def _is_plain(fact: str) -> Check:
    def run(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        yield from (Difference(fact, text) for text in _not_plain(reply))

    return run


def _not_plain(reply: Reply) -> Iterator[str]:
    encoding = reply.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        yield f"header content-encoding: expected none, as none was asked for, got {quoted(encoding)}"
        return
    kind, _, parameters = reply.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().partition("charset=")[2].strip('"')
    if kind.strip().lower() == "application/json" and charset not in UTF_8:
        yield f"header content-type: expected JSON in UTF-8, got the charset {charset}"
    if reply.body.startswith(codecs.BOM_UTF8):
        yield "body: expected JSON, got a byte order mark before it"
    try:
        reply.body.decode("utf-8")
    except UnicodeDecodeError:
        yield f"body: expected UTF-8, got {reply.shown()}"
