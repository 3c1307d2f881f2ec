"""Checking a recorded reply: the contract in force must be able to answer the request so.

What a server answers depends on more than the request: on its history (repeats, rate limits, replays), on the keys it
knows, on how the body arrived. A reply is right if any of these gives it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.core.answer import reply_to
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.gates import media_type
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms, Verdict
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.lint.comparison import Difference, reply_differences
from mockserver.lint.golden_cases import ExpectedReply
from mockserver.lint.located_findings import WINDOWS
from mockserver.lint.prediction import Prediction, placeholders, prediction_of
from mockserver.sessions.session import UNKNOWN_ENTITY

NO_KEYS: Final[frozenset[str]] = frozenset()
CONTENT_TYPE: Final = "content-type"
CORS: Final = "access-control-"
SERVER_ERROR: Final = 500
"""From this status on, a reply says that the server failed, whatever the request was."""


def reply_findings(
    judged: Judged, reply: WireReply, *, repeats: Collection[int] = (), complete: bool = False
) -> list[Finding] | None:
    """Return how a recorded reply differs from every reply that the contract could give to a judged request.

    `repeats` are the events that are known to have been sent before, by index: no reply may take them for new ones.
    `complete` says that all headers of the reply were recorded. None if it cannot be told: the reply depends on a time
    that is not known.
    """
    if _depends_on_time(judged):
        return None
    contract, status = judged.contract, reply.status
    statuses: dict[int, None] = {}
    first: Prediction | None = None
    nearest: tuple[Prediction, list[Difference]] | None = None
    for prediction in _predictions(judged, repeats):
        first = first or prediction
        statuses[prediction.status] = None
        if prediction.status == status:
            differing = list(reply_differences(_expected(prediction, reply, complete=complete), reply))
            if not differing:
                return []
            if nearest is None or len(differing) < len(nearest[1]):
                nearest = prediction, differing
    if nearest is not None:
        fact = _fact(judged, nearest[0])
        return [_finding(contract, fact, difference) for difference in nearest[1]]
    assert first is not None, "a request has at least one reply"
    expected, *others = statuses
    also = f"; also possible: {', '.join(map(str, sorted(others)))}" if others else ""
    message = f"expected {expected}, got {status}{also}"
    finding = _finding(contract, _fact(judged, first), Difference("/status", expected, status, message))
    return [replace(finding, severity="warning") if status >= SERVER_ERROR else finding]


def fitting_reply(judged: Judged, reply: WireReply, *, repeats: Collection[int] = ()) -> ExpectedReply | None:
    """Return a reply that the contract could give and that a recorded reply is; None if there is none.

    What only the server that gave it could know is a `$match` in it. See `reply_findings` for `repeats`.
    """
    for prediction in _predictions(judged, repeats):
        if prediction.status == reply.status:
            expected = _expected(prediction, reply, complete=True)
            if not any(reply_differences(expected, reply)):
                return expected
    return None


def _finding(contract: Contract, fact: str, difference: Difference) -> Finding:
    return Finding(
        rule=fact,
        pointer=f"/reply{difference.pointer}",
        expected=difference.expected,
        got=difference.got,
        source=contract.source_of(fact),
        message=f"the contract does not give this reply: {difference.message}",
    )


def _fact(judged: Judged, prediction: Prediction) -> str:
    """Return the contract pointer of a reply; that of a preflight has no entry of its own."""
    cors = judged.place.cors
    return prediction.fact or ("/protocol/cors" if cors is None else f"/protocol/cors/{cors.name}/preflight_status")


def _depends_on_time(judged: Judged) -> bool:
    findings = [error.finding for error in judged.event_errors]
    findings.append(judged.refusal.finding if judged.refusal else None)
    in_window = any(finding is not None and finding.rule.startswith(WINDOWS) for finding in findings)
    return in_window and not judged.terms.now_ms


def _expected(prediction: Prediction, reply: WireReply, *, complete: bool) -> ExpectedReply:
    """Return a prediction as an expectation. CORS headers depend on the page, and media types have parameters."""
    headers: dict[str, Json] = {
        name: value
        for name, value in prediction.headers.items()
        if (complete or reply.headers) and not name.startswith(CORS) and name != "vary"
    }
    own = next((value for name, value in reply.headers if name.lower() == CONTENT_TYPE), None)
    predicted = headers.get(CONTENT_TYPE)
    if own is not None and isinstance(predicted, str) and media_type(own) == media_type(predicted):
        headers[CONTENT_TYPE] = own
    return ExpectedReply(status=prediction.status, headers=headers, json=prediction.body, text=prediction.text)


def _predictions(judged: Judged, repeats: Collection[int]) -> Iterator[Prediction]:
    """Yield each reply that the contract could give to a request, the one without any history first."""
    contract, terms = judged.contract, judged.terms
    terms = Terms(now_ms=terms.now_ms, placeholders=placeholders(contract))
    judged = judge(route(RequestBody(judged.request), contract), terms)
    for receipt in _receipts(judged, repeats):
        yield prediction_of(contract, reply_to(judged, receipt))
    for request, keys in _circumstances(judged.request):
        other = judge(route(RequestBody(request), contract), structs.replace(terms, keys=keys))
        if other.refusal is not None:
            yield prediction_of(contract, reply_to(other, _receipt(other)))


def _circumstances(request: WireRequest) -> Iterator[tuple[WireRequest, frozenset[str] | None]]:
    """Yield the request to a server that knows no key, one that did not get all of it, and one that got it late."""
    yield request, NO_KEYS
    yield structs.replace(request, truncated=True), None
    yield structs.replace(request, late=True), None


def _receipts(judged: Judged, repeats: Collection[int]) -> Iterator[Receipt]:
    """Yield what a server may have claimed for a request, the one with the least history first."""
    rate, refusal = judged.rate, judged.refusal
    for created in () if _only_its_key_repeats(judged, repeats) else (True, False):
        for verdicts in _verdicts(judged, repeats):
            yield _receipt(judged, verdicts=verdicts, created=created)
    if refusal is None and judged.idempotency is not None:
        yield _receipt(judged, verdicts=(Verdict.DUPLICATE,) * len(judged.events), replayed=True)
    if refusal is None and judged.lookup is not None:
        yield _receipt(judged, refused=UNKNOWN_ENTITY)
    if rate is not None and (refusal is None or refusal.order > rate.order):
        yield _receipt(judged, refused=rate.reason)


def _only_its_key_repeats(judged: Judged, repeats: Collection[int]) -> bool:
    """Return whether known repeats have no ids of their own: the idempotency key of the request made them so."""
    names = judged.dedup or (None,) * len(judged.events)
    return judged.idempotency is not None and any(names[index] is None for index in repeats if index < len(names))


def _receipt(
    judged: Judged,
    *,
    verdicts: Sequence[Verdict] | None = None,
    refused: str | None = None,
    replayed: bool = False,
    created: bool = False,
) -> Receipt:
    rejected = (Verdict.REJECTED,) * len(judged.events)
    return Receipt(
        session="",
        seq=1,
        first_event=1,
        verdicts=rejected if verdicts is None else tuple(verdicts),
        refused=refused,
        replayed=replayed,
        created=created,
    )


def _verdicts(judged: Judged, repeats: Collection[int]) -> Iterator[Sequence[Verdict]]:
    """Yield the verdicts on the events: only known ones are repeats, then one more with an id, and so on to all."""
    if judged.refusal is not None:
        yield (Verdict.REJECTED,) * len(judged.events)
        return
    verdicts = [Verdict.ACCEPTED] * len(judged.events)
    for error in judged.event_errors:
        verdicts[error.index] = Verdict.REJECTED
    seen: set[bytes] = set()
    later: list[int] = []
    for index, name in enumerate(judged.dedup or ()):
        if name is None or verdicts[index] is Verdict.REJECTED:
            continue
        if name in seen or index in repeats:
            verdicts[index] = Verdict.DUPLICATE
        else:
            later.append(index)
        seen.add(name)
    yield tuple(verdicts)
    for index in later:
        verdicts[index] = Verdict.DUPLICATE
        yield tuple(verdicts)
