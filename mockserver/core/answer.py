"""The reply of the vendor, from what was judged and what was claimed. Pure: equal inputs, equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

from msgspec import Struct

from mockserver.contract.operation import Operation
from mockserver.contract.sections import CorsRules, Prefix, RateLimit, RefusalTemplate, ReplyTemplate
from mockserver.core.adapter import adapter_of
from mockserver.core.gates import origin_allowed
from mockserver.core.model import EventError, Judged, Receipt
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import Template, fill, fill_text, phrase

JSON_TYPE: Final = "application/json"
Headers = tuple[tuple[str, str], ...]
VARY = ("Vary", "Origin")


class Reply(Struct, frozen=True, kw_only=True):
    """A reply before it is bytes. `template` is the contract's entry for it, None for a preflight."""

    status: int
    headers: Headers
    body: Json = None
    text: str | None = None
    template: ReplyTemplate | RefusalTemplate | None = None


def answer(judged: Judged, receipt: Receipt) -> WireReply:
    """Shape the reply to one request, as bytes."""
    return wire(reply_to(judged, receipt))


def wire(reply: Reply) -> WireReply:
    """Return a reply as it goes over the wire."""
    if reply.text is not None:
        body = reply.text.encode("utf-8", "replace")
    else:
        body = b"" if reply.template is None else render(reply.body)
    return WireReply(status=reply.status, headers=reply.headers, body=body)


def reply_to(judged: Judged, receipt: Receipt) -> Reply:
    """Return the reply to one request."""
    rules, refusal = judged.place.cors, judged.refusal
    if judged.preflight and rules is not None:
        headers = preflight_headers(rules, judged.request.header(b"origin"))
        return Reply(status=rules.preflight_status, headers=headers)
    # a claim that failed was settled before, so it comes first
    reason = receipt.refused or (None if refusal is None else refusal.reason)
    if reason is not None:
        return refusal_reply(judged, receipt, reason, status=None if refusal is None else refusal.status)
    template = _outcome(judged, receipt)
    variables = reply_variables(judged, receipt, template.item)
    headers = _headers(judged, receipt, template.media_type, template.headers, variables)
    body = fill(template.body, variables) if template.text is None else None
    return Reply(status=template.status, headers=headers, body=body, text=template.text, template=template)


def _outcome(judged: Judged, receipt: Receipt) -> ReplyTemplate:
    """Return which reply of the operation answers a request that is not refused as a whole."""
    assert judged.operation is not None
    replies = judged.operation.replies
    if receipt.replayed:
        return replies.replayed
    if not judged.event_errors:
        return replies.success
    nothing_taken = receipt.tally()[2] == len(receipt.verdicts)
    return replies.failed if nothing_taken else replies.partial


def refusal_reply(judged: Judged, receipt: Receipt, reason: str, *, status: int | None = None) -> Reply:
    """Return the contract's answer for a reason, in the family of the operation or of the path's prefix.

    With `status` the family's default answer is given that status and its standard phrase.
    """
    template = answering(judged).family.template(reason)
    status, detail = status or template.status, ""
    if judged.refusal is not None and receipt.refused is None:  # the contract's sentence, else our own words
        own = judged.terms.placeholders.get("detail", judged.refusal.finding.message)
        detail = own if judged.refusal.detail is None else judged.refusal.detail
    variables = text_variables(judged, receipt, status, detail)
    variables["message"] = fill_text(template.message, variables)
    variables["code"] = None if template.code is None else fill_text(template.code, variables)
    headers = _headers(judged, receipt, JSON_TYPE, template.headers, variables)
    return Reply(status=status, headers=headers, body=fill(template.shape.body, variables), template=template)


def text_variables(judged: Judged, receipt: Receipt, status: int, detail: str) -> dict[str, Json]:
    """Return the values that a refusal's texts may ask for; `detail` is one sentence, empty for the standard phrase."""
    standard = phrase(status)
    code = standard.replace("'", "").replace(" ", "_").replace("-", "_")
    placeholders = judged.terms.placeholders
    return {
        "phrase": standard,
        "phrase_upper": code.upper(),
        "phrase_lower": code.lower(),
        "detail": detail or standard,
        "status": status,
        "allow": ", ".join([*sorted(judged.place.operations), *([] if judged.place.cors is None else ["OPTIONS"])]),
        "request_id": placeholders.get("request_id") or uuid4_of(f"request/{receipt.session}/{receipt.seq}"),
        "nothing": None,
    }


def answering(judged: Judged) -> Operation | Prefix:
    """Return whose `family` of refusals and whose `cors` a reply has: the operation's, a neighbour's, the prefix's."""
    return judged.operation or judged.place.first or judged.contract.prefix_of(judged.request.target)


def _headers(
    judged: Judged, receipt: Receipt, media_type: str, templates: Mapping[str, str], variables: Mapping[str, Json]
) -> Headers:
    rate = None if judged.operation is None else judged.operation.rate
    headers, templates = fixed_headers(judged, media_type), header_templates(rate, templates)
    if templates:
        values = {**rate_variables(judged, receipt, rate), **variables}
        headers += [(header, header_line(fill_text(template, values))) for header, template in templates.items()]
    return tuple(headers)


def fixed_headers(judged: Judged, media_type: str) -> list[tuple[str, str]]:
    """Return the headers of a reply that depend on nothing but the request's origin."""
    headers = [("Content-Type", media_type)]
    rules = answering(judged).cors
    if rules is not None:
        headers += cors_reply_headers(rules, judged.request.header(b"origin"))
    return headers


def header_templates(rate: RateLimit | None, templates: Mapping[str, str]) -> Mapping[str, str]:
    """Return the templates of the other headers: those of a rate limit, and those of the reply."""
    return templates if rate is None else {**rate.headers, **templates}


@lru_cache(maxsize=256)
def cors_reply_headers(rules: CorsRules, origin: str | None) -> Headers:
    """Return the CORS headers of a reply; kept, because pages repeat themselves. A refused origin gets only `Vary`."""
    allow = _allow(rules, origin)
    if not allow:
        return (VARY,)
    expose = () if rules.expose is None else (("Access-Control-Expose-Headers", rules.expose),)
    return (*allow, VARY, *expose)


def preflight_headers(rules: CorsRules, origin: str | None) -> Headers:
    """Return the headers that answer a preflight. A refused origin gets only `Vary`."""
    allow = _allow(rules, origin)
    if not allow and origin is not None:
        return (VARY,)
    methods = (("Access-Control-Allow-Methods", rules.methods), ("Access-Control-Allow-Headers", rules.headers))
    max_age = () if rules.max_age is None else (("Access-Control-Max-Age", rules.max_age),)
    return (*allow, VARY, *methods, *max_age)


def _allow(rules: CorsRules, origin: str | None) -> Headers:
    if origin is None:
        return (("Access-Control-Allow-Origin", "*"),) if rules.without_origin == "*" else ()
    if not origin_allowed(origin, rules.allowed_origins):
        return ()
    credentials = (("Access-Control-Allow-Credentials", "true"),) if rules.credentials else ()
    return (("Access-Control-Allow-Origin", origin), *credentials)


def header_line(text: str) -> str:
    """Return a text as a header can carry it; it may hold what a client sent."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def rate_variables(judged: Judged, receipt: Receipt, rate: RateLimit | None) -> dict[str, Json]:
    """Return the values that header templates may ask for about a rate: how full its window is after this request."""
    variables: dict[str, Json] = {
        "rate_limit": 0 if rate is None else rate.requests,
        "rate_remaining": receipt.rate_remaining,
        "rate_reset_s": -(-receipt.rate_reset_ms // 1000),
        "retry_after_s": max(1, -((judged.terms.now_ms - receipt.rate_reset_ms) // 1000)),
    }
    return _with_placeholders(variables, judged)


def _with_placeholders(variables: dict[str, Json], judged: Judged) -> dict[str, Json]:
    placeholders = judged.terms.placeholders
    if placeholders:
        variables |= {name: text for name, text in placeholders.items() if name in variables}
    return variables


def reply_variables(judged: Judged, receipt: Receipt, item: Template) -> dict[str, Json]:
    """Return the values that one reply of the contract may ask for, and what the adapter adds."""
    accepted, duplicates, rejected = receipt.tally()
    variables: dict[str, Json] = {
        "processed": accepted + duplicates,
        "accepted": accepted,
        "duplicates": duplicates,
        "rejected": rejected,
        "batch_size": judged.count,
        "created": receipt.created,
        "nothing": None,
        "idempotency_key": None if judged.idempotency is None else judged.idempotency.value,
        "errors": [_listed_error(judged, receipt, item, error) for error in judged.event_errors if item is not None],
    }
    variables.update(adapter_of(judged.contract.adapter).variables(judged, receipt))
    return _with_placeholders(variables, judged)


def _listed_error(judged: Judged, receipt: Receipt, item: Template, error: EventError) -> Json:
    template = answering(judged).family.template(error.reason)
    code = error.code or template.code
    if code is not None and "${" in code:
        variables = text_variables(judged, receipt, template.status, error.message)
        code = fill_text(code, {**variables, "message": error.message})
    return fill(item, {"index": error.index, "message": error.message, "code": code})


def uuid4_of(text: str) -> str:
    """Return an id shaped like a UUID v4, as vendors print them, and the same whenever it is worked out."""
    return str(UUID(bytes=blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), version=4))
