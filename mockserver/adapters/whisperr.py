"""Whisperr: replies name the user and the event by generated ids, which a repeat gets again.

The facts are those of whisperr.md#the-vendors-openapi-document rows A2, A3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockserver.contract.operation import Operation
from mockserver.contract.sections import Projects
from mockserver.core.adapter import Adapter
from mockserver.core.answer import uuid4_of
from mockserver.core.model import Judged, Receipt
from mockserver.jsonkit import Json, pointer


def _variables(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    """Return `external_id`, `user_id` and, for an event, `event_id`; nothing where a reply names nobody."""
    operation, form = judged.operation, judged.form
    if operation is None:
        return {}
    if operation.lookup is not None:
        return _user(judged, receipt, judged.place.params[operation.lookup])
    if form is None or not form.single:
        return {}
    return {**_user(judged, receipt, _named_user(judged)), "event_id": _event_id(judged, receipt)}


def _reply_names(operation: Operation, projects: Projects | None) -> Iterable[str]:
    forms = operation.forms.values()
    takes_one = bool(forms) and all(form.single for form in forms)
    if operation.lookup is not None or takes_one:
        yield from ("external_id", "user_id")
    if operation.lookup is None and takes_one:
        yield "event_id"


def _named_user(judged: Judged) -> str:
    places = judged.contract.identity["user"].pointers
    values = (pointer.get(judged.body, pointer.parse(place)) for place in places)
    return next((value for value in values if isinstance(value, str)), "")


def _user(judged: Judged, receipt: Receipt, external_id: str) -> dict[str, Json]:
    return {"external_id": external_id, "user_id": _id(judged, "user", f"{receipt.session}/{external_id}")}


def _event_id(judged: Judged, receipt: Receipt) -> str:
    """Make the id of the message id, so that a repeat is the same event; without one each request is its own."""
    dedup = judged.contract.dedup
    message_id = None if dedup is None else pointer.get(judged.body, dedup.tokens)
    subject = f"message/{message_id}" if isinstance(message_id, str) else f"request/{receipt.seq}"
    return _id(judged, "event", f"{receipt.session}/{subject}")


def _id(judged: Judged, kind: str, text: str) -> str:
    return judged.contract.id_prefixes[kind] + uuid4_of(f"{kind}/{text}")


ADAPTER = Adapter(
    variables=_variables,
    reply_names=_reply_names,
    needs=("/protocol/identity/user/pointers", "/protocol/ids/user/prefix", "/protocol/ids/event/prefix"),
)
