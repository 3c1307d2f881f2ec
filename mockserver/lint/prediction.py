"""The reply that a request must get, worked out by the core itself. What no contract states is known by its shape only.

The core is asked with placeholders for what only one server can know: its own sentences, the ids it makes up, the
moment of its answer. In the prediction each of them is a `{"$match": regex}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.schema import Schema
from mockserver.contract.sections import RefusalTemplate, ReplyTemplate
from mockserver.core.answer import Reply, reply_to
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.session import Session, SessionSettings
from mockserver.settings import RateMode

MATCH: Final = "$match"
"""In predicted values `{"$match": regex}` stands for any text that matches as a whole."""
SENTENCE: Final = r"[\s\S]+"
MOMENT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
DIGITS: Final = "[0-9]+"
UNKNOWN: Final[Mapping[str, str]] = {
    "detail": SENTENCE,
    "request_id": SENTENCE,
    "now": MOMENT,
    "rate_remaining": DIGITS,
    "rate_reset_s": DIGITS,
    "retry_after_s": DIGITS,
}
"""What is known of the values that no contract states, by their names in templates."""
HISTORY: Final = ("${created}", "${duplicate}")
"""Values that depend on what the server saw before."""

_MARKED: Final = re.compile("⟪unknown:([a-z_]+)⟫")
_SPECIAL: Final = re.compile(r"[.*+?^${}()|\[\]\\/]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the reply to a request must be.

    `headers` are by lower-case name; `body` is MISSING where the reply has a `text`. `fact` is the contract pointer of
    the reply, `schema` what its body must fit. `history` points at members that depend on earlier requests.
    """

    status: int
    headers: Mapping[str, Json]
    body: Json
    text: str | None
    fact: str
    schema: Schema | None
    history: tuple[str, ...] = ()


def predict(
    contract: Contract,
    requests: Sequence[WireRequest],
    now_ms: int,
    *,
    keys: frozenset[str] | None = None,
    rate_mode: RateMode = "warn",
) -> tuple[Judged, Prediction]:
    """Send requests in order to a session that saw nothing else; return how the last is judged and answered."""
    session = Session("prediction", SessionSettings())
    terms = Terms(now_ms=now_ms, keys=keys, rate_mode=rate_mode, placeholders=placeholders(contract))
    for request in requests:
        judged = judge(route(RequestBody(request), contract), terms)
        receipt = session.settle(judged)
    return judged, prediction_of(contract, reply_to(judged, receipt))


def prediction_of(contract: Contract, reply: Reply) -> Prediction:
    """Return what is predicted by a reply that was made with placeholders."""
    template = reply.template
    has_body = template is not None and reply.text is None
    return Prediction(
        status=reply.status,
        headers={name.lower(): _unmarked(contract, value) for name, value in reply.headers},
        body=_unmarked(contract, reply.body) if has_body else MISSING,
        text=reply.text,
        fact="" if template is None else template.pointer,
        schema=_schema_of(template),
        history=tuple(_places_of(HISTORY, template.body)) if isinstance(template, ReplyTemplate) else (),
    )


def _schema_of(template: ReplyTemplate | RefusalTemplate | None) -> Schema | None:
    return template.shape.schema if isinstance(template, RefusalTemplate) else template.schema if template else None


@lru_cache(maxsize=64)
def _unknown(contract: Contract) -> Mapping[str, str]:
    ids = {f"{kind}_id": _escaped(prefix) + SENTENCE for kind, prefix in contract.id_prefixes.items()}
    return {**UNKNOWN, **ids}


@lru_cache(maxsize=64)
def placeholders(contract: Contract) -> Mapping[str, str]:
    """Return the placeholders with which the core answers, for `Terms`."""
    return {name: f"⟪unknown:{name}⟫" for name in _unknown(contract)}


def _unmarked(contract: Contract, value: Json) -> Json:
    """Return a value in which each text with a placeholder is a `$match`."""
    if isinstance(value, dict):
        return {name: _unmarked(contract, member) for name, member in value.items()}
    if isinstance(value, list):
        return [_unmarked(contract, item) for item in value]
    if not isinstance(value, str) or "⟪" not in value:
        return value
    pieces = _MARKED.split(value)
    if len(pieces) == 1:
        return value
    known = _unknown(contract)
    return {MATCH: "".join(known[piece] if odd % 2 else _escaped(piece) for odd, piece in enumerate(pieces))}


def _escaped(text: str) -> str:
    """Escape a text for a pattern that Python and ECMA-262 read alike."""
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def _places_of(names: Collection[str], template: Json, place: str = "") -> list[str]:
    if isinstance(template, dict):
        return [inner for key, member in template.items() for inner in _places_of(names, member, f"{place}/{key}")]
    return [place] if isinstance(template, str) and template in names else []
