"""Was a request accepted or refused, and must it be? Only then are the parts of its reply looked at."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from mockserver.contract.sections import ReplyTemplate
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint import comparison
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.places import look
from mockserver.strategies.samples import parsed
from mockserver.verify.attempt import Attempt
from mockserver.verify.replies.reply_facts import places_in
from mockserver.verify.rule import Difference, Reply

ENTITIES: Final = "/protocol/entities"


def misjudged(attempt: Attempt, reply: Reply, body: list[comparison.Difference] | None) -> Difference | None:
    """Return the difference where a request is accepted instead of refused, or refused instead of accepted."""
    expected, got = attempt.prediction.status, reply.status
    shown = f"with {reply.shown()}"
    due = expected >= HTTPStatus.BAD_REQUEST or attempt.is_partial
    if got >= HTTPStatus.BAD_REQUEST and expected < HTTPStatus.BAD_REQUEST:
        operation = attempt.operation
        if operation is not None and operation.lookup and got == operation.family.template(UNKNOWN_ENTITY).status:
            return attempt.facts.fact(ENTITIES).broken(f"status: expected {expected}, got {got} {shown}", aside=False)
        return attempt.reason.broken(f"status: expected {expected}, got {got} {shown}", aside=False)
    if got >= HTTPStatus.BAD_REQUEST or (body is not None and not body):
        return None
    refused = _tells_refusal(attempt, reply, all_bad=due)
    if body is not None and _is_other_reply(attempt, reply):
        return attempt.tried.broken(f"body: not the reply of {attempt.template.pointer}, {shown}", aside=False)
    if due and not refused:
        text = f"status: expected {expected}, got {got} {shown}" if got != expected else f"accepted, {shown}"
        return attempt.refused_for(reply).broken(text, aside=False)
    if refused and not due:
        return attempt.reason.broken(f"refused in part, {shown}", aside=False)
    return None


def _tells_refusal(attempt: Attempt, reply: Reply, *, all_bad: bool) -> bool:
    try:
        return attempt.shows_refused(parsed(reply.body), all_bad=all_bad)
    except ValueError:
        return False


def _is_other_reply(attempt: Attempt, reply: Reply) -> bool:
    """Tell whether a body has all members of another reply of the operation, and not those of the expected one."""
    template, operation = attempt.template, attempt.operation
    if operation is None or not isinstance(template, ReplyTemplate) or template.text is not None:
        return False
    if reply.status != attempt.prediction.status:
        return False
    body = parsed(reply.body)
    others = [each for each in operation.replies.distinct() if each is not template and each.text is None]
    return not _has_places(body, template.body) and any(_has_places(body, other.body) for other in others)


def _has_places(body: Json, template: Json) -> bool:
    """Tell whether a body has every member that a template has."""
    return all(
        look(body, place) is not MISSING for place in places_in(template) if look(template, place) != "${errors}"
    )
