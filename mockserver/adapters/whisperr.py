"""Whisperr: replies name the user, the event and its delivery by generated ids, which a repeat gets again.

The facts are those of whisperr.md#the-vendors-openapi-document rows A2, A3 and whisperr.md#contradictions row C3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockserver.contract.operation import Operation
from mockserver.contract.sections import Projects
from mockserver.core.adapter import Adapter
from mockserver.core.answer import uuid4_of
from mockserver.core.model import Judged, Receipt, Verdict
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms


def _variables(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    """Return `external_id` and `user_id`; nothing where a reply names nobody.

    For an event, also its `event_id`, `delivery_id` and whether it is a `duplicate`; for a read, `now` and the
    parameters of its path.
    """
    operation, form = judged.operation, judged.form
    if operation is None:
        return {}
    if operation.lookup is not None:
        params = judged.place.params
        return {**params, "now": rfc3339_ms(judged.terms.now_ms), **_user(judged, receipt, params[operation.lookup])}
    if form is None or not form.single:
        return {}
    return {
        **_user(judged, receipt, _named_user(judged)),
        "event_id": _id_of_event(judged, receipt, "event"),
        "delivery_id": _id_of_event(judged, receipt, "delivery"),
        "duplicate": Verdict.DUPLICATE in receipt.verdicts,
    }


def _reply_names(operation: Operation, projects: Projects | None) -> Iterable[str]:
    forms = operation.forms.values()
    takes_one = bool(forms) and all(form.single for form in forms)
    if operation.lookup is not None or takes_one:
        yield from ("external_id", "user_id")
    if operation.lookup is not None:
        yield from ("now", *operation.parameters())
    elif takes_one:
        yield from ("event_id", "delivery_id", "duplicate")


def _named_user(judged: Judged) -> str:
    places = judged.contract.identity["user"].pointers
    values = (pointer.get(judged.body, pointer.parse(place)) for place in places)
    return next((value for value in values if isinstance(value, str)), "")


def _user(judged: Judged, receipt: Receipt, external_id: str) -> dict[str, Json]:
    return {"external_id": external_id, "user_id": _id(judged, "user", f"{receipt.session}/{external_id}")}


def _id_of_event(judged: Judged, receipt: Receipt, kind: str) -> str:
    """Make an id of the message id, so that a repeat is the same event; without one each request is its own."""
    dedup = judged.contract.dedup
    message_id = None if dedup is None else pointer.get(judged.body, dedup.tokens)
    subject = f"message/{message_id}" if isinstance(message_id, str) else f"request/{receipt.seq}"
    return _id(judged, kind, f"{receipt.session}/{subject}")


def _id(judged: Judged, kind: str, text: str) -> str:
    return judged.contract.id_prefixes[kind] + uuid4_of(f"{kind}/{text}")


ADAPTER = Adapter(
    variables=_variables,
    reply_names=_reply_names,
    needs=(
        "/protocol/identity/user/pointers",
        "/protocol/ids/user/prefix",
        "/protocol/ids/event/prefix",
        "/protocol/ids/delivery/prefix",
    ),
)
