"""Changes of a reply that the contract gives for the recorded outcome too: its status, its headers, its body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mockserver.contract.sections import CorsRules, RefusalTemplate, ReplyTemplate
from mockserver.core.answer import answering, rate_variables
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.comparison import Difference
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.fewer_operations import other_prefixes
from mockserver.recording.learning.play_again import CONTENT_TYPE, HEADERS, JSON, STATUS, TEXT, Played
from mockserver.recording.learning.template_values import values_of
from mockserver.recording.learning.text_changes import (
    code_changes,
    message_changes,
    new_reason_changes,
    reason_changes,
)

Tokens = tuple[str, ...]
CORS: Final = "access-control-"
CORS_MEMBERS: Final[Mapping[str, str]] = {
    "access-control-allow-methods": "methods",
    "access-control-allow-headers": "headers",
    "access-control-max-age": "max_age",
    "access-control-expose-headers": "expose",
}
LONGEST_LITERAL: Final = 200


def reply_changes(played: Played) -> Iterator[Change]:
    """Yield what may make the reply the recorded one, where mock and server both refuse a request or both do not."""
    template = played.reply.template
    if template is None:
        yield from _preflight_changes(played)
        return
    owner = _owner(played, template)
    for difference in played.differences:
        if difference.pointer == STATUS:
            yield Change.of((*owner, "status"), difference.got)
        elif difference.pointer.startswith(HEADERS):
            yield from _header_changes(played, owner, template, difference)
        elif difference.pointer.startswith(JSON):
            yield from _body_changes(played, owner, template, difference)
        elif difference.pointer.startswith(TEXT):
            yield from _text_changes(played, owner, template)
    if isinstance(template, RefusalTemplate):
        yield from _other_refusals(played, owner, template)
    else:
        yield from _other_replies(played)


def _owner(played: Played, template: ReplyTemplate | RefusalTemplate) -> Tokens:
    """Return the tokens of the entry of a reply; a refusal without one of its own gets it."""
    if isinstance(template, RefusalTemplate):
        return ("protocol", "refusals", template.family, played.reason or template.reason)
    return ("protocol", "replies", template.name)


def _other_replies(played: Played) -> Iterator[Change]:
    """Yield the changes that answer the outcome with another reply of the contract."""
    operation, template = played.judged.operation, played.reply.template
    if operation is None:
        return
    for outcome in ("success", "partial", "failed", "replayed"):
        if getattr(operation.replies, outcome) is not template:
            continue
        for name, reply in played.judged.contract.replies.items():
            if reply.status == played.answer.reply.status and reply is not template:
                place = ("protocol", "operations", operation.name, "replies", outcome)
                yield Change(edits=((place, name),), is_whole=True)


def _other_refusals(played: Played, owner: Tokens, template: RefusalTemplate) -> Iterator[Change]:
    """Yield the changes that refuse for another reason, or in another shape."""
    for name in played.judged.contract.shapes:
        if name != template.shape.name:
            yield Change.of(("protocol", "refusals", template.family, "default", "shape"), name)
            yield Change.of((*owner, "shape"), name)
    yield from reason_changes(played, template.family, played.answer.reply.status)
    if played.judged.operation is None:
        yield from other_prefixes(played)
    recorded = _named_in(template.shape.body, played.answer.body)
    yield from new_reason_changes(played, template.family, recorded.get("${code}"), recorded.get("${message}"))


def _named_in(template: Json, value: Json) -> dict[str, Json]:
    """Return what stands in a value where a template has a single name, by that."""
    if isinstance(template, dict) and isinstance(value, dict):
        return {
            name: found
            for member, inner in template.items()
            for name, found in _named_in(inner, value.get(member)).items()
        }
    if isinstance(template, list) and isinstance(value, list) and template and value:
        return _named_in(template[0], value[0])
    return {template: value} if isinstance(template, str) else {}


def _body_changes(
    played: Played, owner: Tokens, template: ReplyTemplate | RefusalTemplate, difference: Difference
) -> Iterator[Change]:
    """Yield what may change the place of a body at which it differs."""
    place = pointer.parse(difference.pointer)[1:]
    is_refusal = isinstance(template, RefusalTemplate)
    body = template.shape.body if isinstance(template, RefusalTemplate) else template.body
    holder: Tokens = ("protocol", "shapes", template.shape.name) if isinstance(template, RefusalTemplate) else owner
    walked, index = ["body"], None
    node: Json = body
    for number, token in enumerate(place):
        if node == "${errors}" and isinstance(template, ReplyTemplate) and number + 1 < len(place):
            errors = played.judged.event_errors
            if not token.isdecimal() or int(token) >= len(errors):
                return
            index, node, walked = errors[int(token)].index, template.item, ["item"]
            continue
        inner = pointer.get(node, (token,)) if isinstance(node, dict | list) else MISSING
        walked.append(token)
        node = inner
        if inner is MISSING:
            break
    if node == "${message}" and isinstance(difference.got, str):
        family, reason = _refusal_of(played, index)
        yield from message_changes(played, family, reason, difference.got, index)
    elif node == "${code}" and isinstance(difference.got, str):
        family, reason = _refusal_of(played, index)
        yield from code_changes(played, family, reason, difference.got)
    elif node == "${rate_limit}":
        return
    missing = not _has(played.answer.body, place)
    of_event = ["${index}"] if index is not None and index == difference.got else []
    for value in [None] if missing else [*of_event, *values_of(played, template, difference.got)]:
        change = _written(played, (*holder, *walked), value, len(holder))
        if change is not None and not (is_refusal and node == "${status}"):
            yield change


def _has(value: Json, place: Tokens) -> bool:
    return pointer.get(value, place) is not MISSING


def _refusal_of(played: Played, index: int | None) -> tuple[str, str]:
    """Return the family and the reason of the refusal of a request, or of the event at an index."""
    family = answering(played.judged).family.name
    error = next((error for error in played.judged.event_errors if error.index == index), None)
    return family, (played.reason or "default") if error is None else error.reason


def _written(played: Played, tokens: Tokens, value: Json, start: int) -> Change | None:
    """Return the change that writes a value at some tokens; a list on the way is replaced as a whole."""
    documents = played.judged.contract.documents
    for end in range(start, len(tokens)):
        around = pointer.get(documents, tokens[:end])
        if isinstance(around, list):
            rest = tokens[end:]
            replaced = _replaced(around, rest, value)
            return None if replaced is None else Change.of(tokens[:end], replaced)
        if isinstance(around, str):
            return None
    return Change.of(tokens, value)


def _replaced(value: Json, tokens: Tokens, new: Json) -> Json:
    """Return a copy of a template with a value at some tokens; a member without one goes; None if it cannot be."""
    if not tokens:
        return new
    token, *rest = tokens
    if isinstance(value, list):
        if not token.isdecimal() or int(token) >= len(value):
            return None
        return [
            _replaced(item, tuple(rest), new) if str(number) == token else item for number, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        return None
    copy = {name: member for name, member in value.items() if name != token or rest or new is not None}
    if rest or new is not None:
        copy[token] = _replaced(value.get(token), tuple(rest), new)
    return copy


def _text_changes(played: Played, owner: Tokens, template: ReplyTemplate | RefusalTemplate) -> Iterator[Change]:
    """Yield the changes to a body that is not JSON, which only replies that are no refusals can have."""
    answer = played.answer
    if isinstance(template, RefusalTemplate) or len(answer.text) > LONGEST_LITERAL:
        return
    if template.text is not None and answer.body is MISSING:
        yield Change.of((*owner, "text"), answer.text)
    elif template.text is None:
        edits: list[tuple[Tokens, Json]] = [((*owner, "body"), None), ((*owner, "text"), answer.text)]
        yield Change(edits=tuple(edits))


def _header_changes(
    played: Played, owner: Tokens, template: ReplyTemplate | RefusalTemplate, difference: Difference
) -> Iterator[Change]:
    name = pointer.parse(difference.pointer)[1]
    if name.startswith(CORS):
        yield from _cors_changes(played, name, difference)
        return
    recorded = next((written for written, _ in played.answer.reply.headers if written.lower() == name), name)
    if name == CONTENT_TYPE:
        if isinstance(template, ReplyTemplate):
            yield Change.of((*owner, "content_type"), difference.got)
        return
    operation = played.judged.operation
    rate = None if operation is None else operation.rate
    own = next((written for written in template.headers if written.lower() == name), None)
    of_rate = next((written for written in rate.headers if written.lower() == name), None) if rate else None
    values: list[Json] = [None] if difference.got is None else _header_values(played, difference.got, name)
    if rate is not None and of_rate is not None and operation is not None:
        if rate.headers[of_rate] == "${rate_limit}" and str(difference.got).isdecimal():
            yield Change.of(("protocol", "limits", rate.name, "requests"), int(difference.got))
        yield from (Change.of(("protocol", "limits", rate.name, "headers", of_rate), value) for value in values)
        if difference.got is None:
            yield Change.of(("protocol", "operations", operation.name, "rate"), None)
        return
    for value in values:
        if rate is not None and own is None:
            yield Change.of(("protocol", "limits", rate.name, "headers", recorded), value)
        if isinstance(template, RefusalTemplate) and own is None:
            yield Change.of(("protocol", "refusals", template.family, "default", "headers", recorded), value)
        if difference.got is None and own is not None and len(template.headers) == 1:
            yield Change.of((*owner, "headers"), None)
        yield Change.of((*owner, "headers", own or recorded), value)


def _header_values(played: Played, got: str, name: str) -> list[Json]:
    """Return the templates that may have made the value of a header, likelier ones first."""
    operation = played.judged.operation
    rate = None if operation is None else operation.rate
    if not got.isdecimal():
        return [got]
    exact = rate_variables(played.judged, played.receipt, rate)
    likely = {"rate_remaining": "remaining", "rate_reset_s": "reset", "retry_after_s": "retry"}
    named: list[Json] = [f"${{{variable}}}" for variable, part in likely.items() if part in name]
    limit = ["${rate_limit}"] if rate is not None and str(exact["rate_limit"]) == got else []
    return [*named, *limit, got]


def _rules(played: Played) -> CorsRules | None:
    return played.judged.place.cors if played.judged.preflight else answering(played.judged).cors


def _cors_changes(played: Played, name: str, difference: Difference) -> Iterator[Change]:
    rules, operation = _rules(played), played.judged.operation or played.judged.place.first
    if rules is None:
        operations = played.judged.contract.operations.values()
        for known in dict.fromkeys(other.cors.name for other in operations if other.cors is not None):
            if operation is not None:
                yield Change.of(("protocol", "operations", operation.name, "cors"), known)
        return
    place = ("protocol", "cors", rules.name)
    member = CORS_MEMBERS.get(name)
    if member is not None and not (difference.got is None and member in ("methods", "headers")):
        yield Change.of((*place, member), difference.got)
    elif name == "access-control-allow-credentials":
        yield Change.of((*place, "credentials"), difference.got == "true")
    elif name == "access-control-allow-origin":
        origin = played.judged.request.header(b"origin")
        if origin is None:
            yield Change.of((*place, "without_origin"), "nothing" if difference.got is None else "*")
        elif difference.got == origin:
            yield Change.of((*place, "allowed_origins"), [*rules.allowed_origins, origin])
            yield Change.of((*place, "allowed_origins"), [])
    if difference.got is None and operation is not None:
        yield Change.of(("protocol", "operations", operation.name, "cors"), None)


def _preflight_changes(played: Played) -> Iterator[Change]:
    rules = _rules(played)
    for difference in played.differences:
        if difference.pointer == STATUS and rules is not None:
            yield Change.of(("protocol", "cors", rules.name, "preflight_status"), difference.got)
        elif difference.pointer.startswith(HEADERS):
            yield from _cors_changes(played, pointer.parse(difference.pointer)[1], difference)
