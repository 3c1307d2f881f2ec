"""CORS checks: preflights, accepted and refused requests from a page, foreign origins, operations without CORS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from mockserver.core.contract import Operation
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, Request, Sample
from mockserver.verify.book import Book
from mockserver.verify.declared import probe_of, touches, touches_of
from mockserver.verify.expectations import Expectations, with_header
from mockserver.verify.model import Check, Difference, Probe, Reply, Step

ORIGIN: Final = "https://app.example.com"
FOREIGN: Final = "https://elsewhere.invalid"
MALFORMED: Final = "no_such_key"


def declare(book: Book) -> None:
    """Write down the CORS rules of every operation, and of paths that nothing serves."""
    for one in book.plan.operations.values():
        name = one.operation.spec.get("cors")
        if name is not None:
            for probe in _preflights(book, one, name):
                book.add(f"/protocol/cors/{name}#preflight", one.operation.name, probe, touches_of(book, one.operation))
        elif not any("cors" in other.operation.spec for other in _neighbours(book, one.operation)):
            rule = f"/protocol/operations/{one.operation.name}#no-preflight"
            touched = {*touches_of(book, one.operation), f"/protocol/refusals/{one.operation.family}"}
            book.add(rule, one.operation.name, _no_preflight(book, one), touched)
    _from_pages(book)


def _neighbours(book: Book, operation: Operation) -> Iterator[OperationPlan]:
    return (one for one in book.plan.operations.values() if one.operation.path == operation.path)


def origins_of(book: Book, name: str) -> tuple[str, str | None]:
    """Return an origin that a set of CORS rules allows, and one that they do not, if there is one."""
    allowed: list[str] = book.contract.protocol["cors"][name]["allowed_origins"]
    if not allowed:
        return ORIGIN, None
    first = allowed[0].replace("*.", "app.")
    return (first if "://" in first else f"https://{first}"), FOREIGN


def _preflights(book: Book, one: OperationPlan, name: str) -> Iterator[Probe]:
    """Yield preflights from each origin, from none, and with a key that is none: nobody looks at it."""
    path, (allowed, foreign) = one.assembly.request(one.parts()).path, origins_of(book, name)
    broken = one.assembly.request(replace(one.parts(), key=MALFORMED)).path
    method = ("access-control-request-method", one.operation.method)
    asked = (method, ("access-control-request-headers", "content-type"))
    for target, origin in ((path, allowed), (path, foreign), (path, None), (broken, allowed)):
        if origin is not None or target is path:
            headers = asked if origin is None else (("origin", origin), *asked)
            request = Request(method="OPTIONS", path=target, headers=headers, body=b"")
            yield Probe((Step(request=request, check=_preflight_check(book.expectations, name, origin)),))


def _preflight_check(expectations: Expectations, name: str, origin: str | None) -> Check:
    status, fact = expectations.protocol["cors"][name]["preflight_status"], f"/protocol/cors/{name}"

    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        if reply.status != status:
            yield Difference(fact, f"status: expected {status}, got {reply.status} with {reply.body[:300]!r}")
        else:
            yield from expectations.cors_headers(name, origin, reply, preflight=True)

    return check


def _no_preflight(book: Book, one: OperationPlan) -> Probe:
    """Return the request that shows that a path answers no preflight."""
    operation = one.operation
    headers = (("origin", ORIGIN), ("access-control-request-method", operation.method))
    request = Request(method="OPTIONS", path=one.assembly.request(one.parts()).path, headers=headers, body=b"")
    expect: Expected = book.plan.reading.refusal(operation.family, "method_not_allowed", path=operation.path)
    allow = book.expectations.allow(operation)
    wanted = book.expectations.refusal(operation.family, "method_not_allowed", expect, None, operation.path, allow)
    return Probe((book.expectations.step(wanted, request, f"/protocol/operations/{operation.name}"),))


def _from_pages(book: Book) -> None:
    """Send one accepted request of each operation, and one for each reason to refuse, as a page sends it."""
    seen: set[tuple[str | None, str]] = set()
    for sample in samples(book.plan):
        if any(name.lower() == "origin" for name, _ in sample.request.headers):
            continue
        cors = _cors_of(book, sample)
        why = sample.breach.reason if sample.bad else "accepted"
        known = sample.operation is None or book.has_key(book.contract.operations[sample.operation])
        if cors is None or (sample.operation, why) in seen or not known:
            continue
        seen.add((sample.operation, why))
        rule = f"/protocol/cors/{cors}#{'refused' if sample.bad else 'accepted'}"
        allowed, _ = origins_of(book, cors)
        request = with_header(sample.request, "origin", allowed)
        book.add(rule, sample.operation, probe_of(book, replace(sample, request=request)), touches(book, sample))


def _cors_of(book: Book, sample: Sample) -> str | None:
    if sample.operation is None:
        return book.expectations.cors_at(sample.request.path)
    found: str | None = book.contract.operations[sample.operation].spec.get("cors")
    return found
