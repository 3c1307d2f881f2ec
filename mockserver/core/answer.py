"""The reply of the vendor, from what was judged and what was claimed. Pure: equal inputs, equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final
from uuid import UUID

from mockserver.core import cors
from mockserver.core.model import EventError, Judged, Receipt, Verdict, WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import fill, fill_text, phrase

JSON_TYPE: Final = "application/json"
RATE_NAMES: Final = frozenset({"rate_limit", "rate_remaining", "rate_reset_s", "retry_after_s"})
"""What templates of headers may ask for beside the names of their reply or refusal."""
REPLY_NAMES: Final = frozenset(
    {"processed", "accepted", "duplicates", "rejected", "batch_size", "created", "nothing", "idempotency_key", "errors"}
)
ITEM_NAMES: Final = frozenset({"index", "message", "code"})
TEXT_NAMES: Final = frozenset(
    {"phrase", "phrase_upper", "phrase_lower", "detail", "status", "allow", "request_id", "nothing"}
)
"""What a refusal's message and code may ask for."""
REFUSAL_NAMES: Final = TEXT_NAMES | {"message", "code"}


def answer(judged: Judged, receipt: Receipt) -> WireReply:
    """Shape the reply to one request."""
    if judged.preflight:
        return _preflight(judged)
    reason = reason_of(judged, receipt)
    if reason is not None:
        return refusal_reply(judged, receipt, reason, status=judged.refusal.status if judged.refusal else None)
    outcome = _outcome(judged, receipt)
    return _reply(judged, receipt, judged.contract.protocol["replies"][outcome])


def reason_of(judged: Judged, receipt: Receipt) -> str | None:
    """Return why the whole request is refused; a failed claim was settled before, so it comes first."""
    if receipt.refused is not None:
        return receipt.refused
    return None if judged.refusal is None else judged.refusal.reason


def _outcome(judged: Judged, receipt: Receipt) -> str:
    replies: Mapping[str, str] = judged.operation.spec["replies"]  # type: ignore[union-attr]
    success = replies["success"]
    if receipt.replayed:
        return replies.get("replayed", success)
    if not judged.event_errors:
        return success
    if receipt.verdicts.count(Verdict.REJECTED) == len(receipt.verdicts):
        return replies.get("failed", replies.get("partial", success))
    return replies.get("partial", success)


def _preflight(judged: Judged) -> WireReply:
    operations = judged.place.operations.values()
    name = next(operation.spec["cors"] for operation in operations if "cors" in operation.spec)
    rules = judged.contract.protocol["cors"][name]
    made = cors.headers(rules, judged.request.header(b"origin"), preflight=True)
    return WireReply(status=rules["preflight_status"], headers=tuple(made), body=b"")


def _reply(judged: Judged, receipt: Receipt, spec: Mapping[str, Json]) -> WireReply:
    kind = spec.get("content_type", JSON_TYPE)
    variables = reply_variables(judged, receipt, spec)
    body = spec["text"].encode("utf-8", "replace") if "text" in spec else render(fill(spec["body"], variables))
    return WireReply(status=spec["status"], headers=_headers(judged, receipt, spec, kind, variables), body=body)


def refusal_reply(
    judged: Judged, receipt: Receipt, reason: str, *, status: int | None = None, message: str | None = None
) -> WireReply:
    """Return the contract's answer for a reason, in the family of the operation or of the path's prefix.

    With `status` the family's default answer is given that status and its standard phrase.
    """
    family = family_of(judged)
    spec: dict[str, Json] = {**judged.contract.protocol["refusals"][family]["default"]}
    spec.update(judged.contract.protocol["refusals"][family].get(reason, {}))
    status = status or spec["status"]
    detail = "" if judged.refusal is None else judged.refusal.detail
    variables = text_variables(judged, receipt, status, detail)
    variables["message"] = message or fill_text(spec["message"], variables)
    variables["code"] = fill_text(spec["code"], variables) if "code" in spec else None
    shape = judged.contract.protocol["shapes"][spec["shape"]]
    made = _headers(judged, receipt, spec, JSON_TYPE, variables)
    return WireReply(status=status, headers=made, body=render(fill(shape["body"], variables)))


def text_variables(judged: Judged, receipt: Receipt, status: int, detail: str) -> dict[str, Json]:
    """Return the values of `TEXT_NAMES` for a refusal with a status; `detail` is ours, in one sentence."""
    standard = phrase(status)
    code = standard.replace("'", "").replace(" ", "_").replace("-", "_")
    return {
        "phrase": standard,
        "phrase_upper": code.upper(),
        "phrase_lower": code.lower(),
        "detail": detail or standard,
        "status": status,
        "allow": ", ".join(_allowed_methods(judged)),
        "request_id": request_id(receipt),
        "nothing": None,
    }


def family_of(judged: Judged) -> str:
    """Return the family of refusals that answers this request."""
    operations = judged.place.operations
    operation = judged.operation or next(iter(operations.values()), None)
    if operation is not None:
        return operation.family
    prefix = judged.contract.prefix_of(judged.request.target)
    return str(prefix.get("family") or next(iter(judged.contract.protocol["refusals"])))


def _allowed_methods(judged: Judged) -> list[str]:
    operations = judged.place.operations
    methods = sorted(operations)
    return methods + (["OPTIONS"] if any("cors" in operation.spec for operation in operations.values()) else [])


def _cors_name(judged: Judged) -> str | None:
    operations = judged.place.operations
    operation = judged.operation or next(iter(operations.values()), None)
    if operation is not None:
        name: str | None = operation.spec.get("cors")
        return name
    return judged.contract.prefix_of(judged.request.target).get("cors")


def _headers(
    judged: Judged,
    receipt: Receipt,
    spec: Mapping[str, Json],
    kind: str,
    variables: Mapping[str, Json],
) -> tuple[tuple[str, str], ...]:
    made = [("Content-Type", kind)]
    protocol = judged.contract.protocol
    name = _cors_name(judged)
    if name is not None:
        made += judged.contract.cors_headers(name, judged.request.header(b"origin"))
    rate = judged.operation.spec.get("rate") if judged.operation is not None else None
    limit = protocol["limits"][rate] if rate is not None else {}
    templates = {**limit.get("headers", {}), **spec.get("headers", {})}
    if templates:
        values = {**rate_variables(judged, receipt, limit), **variables}
        made += [(header, _line(fill_text(template, values))) for header, template in templates.items()]
    return tuple(made)


def _line(text: str) -> str:
    """Return a text as a header can carry it; what a client sent may stand in it."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def rate_variables(judged: Judged, receipt: Receipt, limit: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values of `RATE_NAMES`: how full the window is after this request."""
    wait_ms = max(0, receipt.rate_reset_ms - judged.terms.now_ms)
    return {
        "rate_limit": limit.get("requests", 0),
        "rate_remaining": receipt.rate_remaining,
        "rate_reset_s": -(-receipt.rate_reset_ms // 1000),
        "retry_after_s": max(1, -(-wait_ms // 1000)),
    }


def reply_variables(judged: Judged, receipt: Receipt, spec: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values of `REPLY_NAMES` for one reply of the contract, and what the adapter adds."""
    verdicts = receipt.verdicts
    rejected, duplicates = verdicts.count(Verdict.REJECTED), verdicts.count(Verdict.DUPLICATE)
    variables: dict[str, Json] = {
        "processed": len(verdicts) - rejected,
        "accepted": len(verdicts) - rejected - duplicates,
        "duplicates": duplicates,
        "rejected": rejected,
        "batch_size": len(judged.events),
        "created": receipt.created,
        "nothing": None,
        "idempotency_key": None if judged.idempotency is None else judged.idempotency.value,
        "errors": [_error(judged, receipt, spec["item"], fault) for fault in judged.event_errors]
        if "item" in spec
        else [],
    }
    variables.update(judged.contract.adapter.variables(judged, receipt))
    return variables


def _error(judged: Judged, receipt: Receipt, item: Json, fault: EventError) -> Json:
    family = judged.contract.protocol["refusals"][family_of(judged)]
    spec = {**family["default"], **family.get(fault.reason, {})}
    code = fault.code or spec.get("code")
    if code is not None and "${" in code:
        variables = text_variables(judged, receipt, spec["status"], fault.message)
        code = fill_text(code, {**variables, "message": fault.message})
    return fill(item, {"index": fault.index, "message": fault.message, "code": code})


def request_id(receipt: Receipt) -> str:
    """Return the request's id as vendors print it: shaped like a UUID v4, and the same whenever it is worked out."""
    return uuid4_of(f"request/{receipt.session}/{receipt.seq}")


def uuid4_of(text: str) -> str:
    """Return a UUID v4 made of a text instead of chance."""
    return str(UUID(bytes=blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), version=4))
