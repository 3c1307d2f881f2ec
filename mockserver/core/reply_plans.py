"""Replies that depend on few numbers: planned once for an operation and an origin, then only filled in.

Everything here is a faster way to what `answer` says. What no plan can express is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import Final, TypeAlias

from msgspec import Struct

from mockserver.contract.operation import Operation
from mockserver.contract.sections import ReplyTemplate
from mockserver.core.adapter import adapter_of
from mockserver.core.answer import answer, fixed_headers, header_line, header_templates
from mockserver.core.model import Judged, Receipt
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import fill, fill_text, names

NUMBERS: Final = (
    "processed",
    "accepted",
    "duplicates",
    "rejected",
    "batch_size",
    "rate_limit",
    "rate_remaining",
    "rate_reset_s",
)
"""The values that a plan can fill in, in the order of `PlannedReply.numbers`."""

LONGEST_ORIGIN: Final = 256
"""Bytes of an origin for which a plan is kept: a client chooses it."""

_TRIAL: Final = tuple(range(8207000000000001, 8207000000000001 + len(NUMBERS)))
_OTHER_TRIAL: Final = tuple(range(len(NUMBERS)))
_MARK: Final = re.compile("|".join(map(str, _TRIAL)))

Numbers: TypeAlias = tuple[int, ...]


class Counted(Struct, frozen=True, eq=False):
    """A text with numbers in it: what `%` takes, which numbers in their order, and what picks them."""

    text: str
    places: tuple[int, ...] = ()
    pick: Callable[[Numbers], Numbers] = lambda numbers: ()

    def filled(self, numbers: Numbers) -> str:
        """Return the text with its numbers."""
        return self.text % self.pick(numbers)


def counted(text: str, places: tuple[int, ...]) -> Counted:
    """Return a text with `%d` for each of the places in `NUMBERS`."""
    if not places:
        return Counted(text)
    one = itemgetter(slice(places[0], places[0] + 1))  # a tuple too
    return Counted(text, places, one if len(places) == 1 else itemgetter(*places))


class ReplyPlan(Struct, frozen=True, eq=False, kw_only=True):
    """A reply without its numbers."""

    status: int
    headers: tuple[tuple[str, Counted], ...]
    body: Counted


class PlannedReply(Struct, frozen=True):
    """A reply as its plan and its numbers, see `NUMBERS`."""

    plan: ReplyPlan
    numbers: Numbers

    @property
    def status(self) -> int:
        """The status of the reply."""
        return self.plan.status

    @property
    def body(self) -> bytes:
        """The body of the reply."""
        return self.plan.body.filled(self.numbers).encode("utf-8", "replace")

    def wire(self) -> WireReply:
        """Return the reply as `answer` does."""
        headers = tuple((name, value.filled(self.numbers)) for name, value in self.plan.headers)
        return WireReply(status=self.status, headers=headers, body=self.body)


def quick_answer(judged: Judged, receipt: Receipt) -> PlannedReply | WireReply:
    """Shape the reply to one request: from a plan where there can be one, else as `answer` does."""
    operation = judged.operation
    if (
        operation is None
        or judged.refusal is not None
        or receipt.refused is not None
        or judged.event_errors
        or judged.preflight
        or judged.terms.placeholders
    ):
        return answer(judged, receipt)
    template = operation.replies.replayed if receipt.replayed else operation.replies.success
    origin, plans = judged.request.fields.get(b"origin"), judged.contract.plans
    key = (operation, template, origin)
    plan = plans.get(key, NOT_PLANNED)
    if plan is NOT_PLANNED:
        plan = _plan(judged, operation, template)
        if origin is None or len(origin) <= LONGEST_ORIGIN:
            judged.contract.keep_plan(key, plan)
    if not isinstance(plan, ReplyPlan):
        return answer(judged, receipt)
    accepted, duplicates, rejected = receipt.tally()
    return PlannedReply(
        plan,
        (
            accepted + duplicates,
            accepted,
            duplicates,
            rejected,
            judged.count,
            0 if operation.rate is None else operation.rate.requests,
            receipt.rate_remaining,
            -(-receipt.rate_reset_ms // 1000),
        ),
    )


NOT_PLANNED: Final = object()


def _plan(judged: Judged, operation: Operation, template: ReplyTemplate) -> ReplyPlan | None:
    """Return the plan of a reply; None where it depends on more than numbers."""
    contract = judged.contract
    templates = header_templates(operation.rate, template.headers)
    asked = names(template.body).union(*map(names, templates.values()))
    if not asked <= {*NUMBERS} - {*adapter_of(contract.adapter).reply_names(operation, contract.projects)}:
        return None
    fixed = [(name, _constant(text)) for name, text in fixed_headers(judged, template.media_type)]
    others = [(name, _counted(partial(_filled_line, text))) for name, text in templates.items()]
    body = _counted(partial(_filled_body, template)) if template.text is None else _constant(template.text)
    headers = tuple((name, value) for name, value in (*fixed, *others) if value is not None)
    if body is None or len(headers) < len(fixed) + len(others):
        return None
    return ReplyPlan(status=template.status, headers=headers, body=body)


def _filled_line(template: str, values: Mapping[str, Json]) -> str:
    return header_line(fill_text(template, values))


def _filled_body(template: ReplyTemplate, values: Mapping[str, Json]) -> str:
    return render(fill(template.body, values)).decode()


def _constant(text: str) -> Counted:
    return Counted(text.replace("%", "%%"))


def _counted(make: Callable[[Mapping[str, Json]], str]) -> Counted | None:
    """Return the text that `make` makes of the values of all names; None if that is more than to put them in."""
    made = make(dict(zip(NUMBERS, _TRIAL, strict=True)))
    places = tuple(_TRIAL.index(int(found)) for found in _MARK.findall(made))
    text = counted(_MARK.sub("%d", made.replace("%", "%%")), places)
    return text if text.filled(_OTHER_TRIAL) == make(dict(zip(NUMBERS, _OTHER_TRIAL, strict=True))) else None
