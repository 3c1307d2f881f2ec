"""Playing recorded requests under a contract: what the mock answers, and where that is not what was recorded.

What no contract states is not compared: ids that servers make up, moments, what is left of a rate. Headers of proxies
and frameworks are not either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.answer import Reply, reply_to
from mockserver.core.gates import media_type
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms
from mockserver.core.route import route
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.comparison import Difference, differences
from mockserver.lint.prediction import Prediction, placeholders, prediction_of
from mockserver.recording.learning.recorded_answers import REFUSING, RecordedAnswer
from mockserver.recording.redaction.secret_names import is_secret_name
from mockserver.sessions.session import Session, SessionSettings
from mockserver.settings import RateMode

STATUS: Final = "/status"
HEADERS: Final = "/headers/"
JSON: Final = "/json"
TEXT: Final = "/text"
OWN_WORDS: Final = "detail"
CONTENT_TYPE: Final = "content-type"
OTHER_OUTCOME: Final = 10
OTHER_STATUS: Final = 4
"""What it counts that only one of the replies refuses, or that the statuses differ; other differences count 1."""
NOT_THE_APIS: Final = re.compile(
    r"accept-ranges|age|alt-svc|connection|content-(?:encoding|language|length|security-policy.*)|cross-origin-.*|date"
    r"|etag|expect-ct|expires|keep-alive|last-modified|nel|origin-agent-cluster|permissions-policy|pragma"
    r"|referrer-policy|report-to|reporting-endpoints|server|server-timing|set-cookie|strict-transport-security"
    r"|traceparent|tracestate|transfer-encoding|vary|via|x-(?:amz|amzn|cloud|envoy|fly|nf|render|vercel)-.*|cf-.*|fly-.*"
    r"|x-(?:cache.*|content-type-options|correlation-id|dns-prefetch-control|download-options|frame-options|powered-by"
    r"|request-id|response-time|runtime|served-by|timer|trace-id|xss-protection)"
)
"""Headers of a connection, a cache, a framework or a moment, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A recorded request as a contract answers it: `exact` with our own values where `reply` has placeholders.

    `distance` is 0 if the mock answers as recorded, and grows with the differences.
    """

    answer: RecordedAnswer
    judged: Judged
    receipt: Receipt
    reply: Reply
    expected: Prediction
    differences: tuple[Difference, ...]
    distance: int

    @property
    def is_refusal(self) -> bool:
        """Whether the mock refuses the whole request."""
        return self.reply.status >= REFUSING

    @property
    def reason(self) -> str | None:
        """Why it refuses it."""
        refusal = self.judged.refusal
        return self.receipt.refused or (None if refusal is None else refusal.reason)


def play_again(
    contract: Contract,
    recordings: Sequence[Sequence[RecordedAnswer]],
    ignored: frozenset[str] = frozenset(),
    rate_mode: RateMode = "warn",
    keys: frozenset[str] | None = None,
) -> list[Played]:
    """Return how a contract answers each request of recordings, each in a session of its own.

    `ignored` are headers, in lower case, that are not compared; `keys` are those that the sessions know, None for any.
    """
    return [played for answers in recordings for played in _in_a_session(contract, answers, ignored, rate_mode, keys)]


def _in_a_session(
    contract: Contract,
    answers: Sequence[RecordedAnswer],
    ignored: frozenset[str],
    rate_mode: RateMode,
    keys: frozenset[str] | None,
) -> Iterator[Played]:
    session, known = Session("learning", SessionSettings()), placeholders(contract)
    ours = {name: text for name, text in known.items() if name != OWN_WORDS}
    for answer in answers:
        unknown = known if answer.left_out else ours
        terms = Terms(now_ms=answer.exchange.now_ms, keys=keys, rate_mode=rate_mode, placeholders=unknown)
        judged = judge(route(answer.request, contract), terms)
        receipt = session.settle(judged, stored=answer.stores)
        reply = reply_to(judged, receipt)
        expected = prediction_of(contract, reply)
        found = () if answer.problem else tuple(_differences(expected, answer, ignored))
        yield Played(
            answer=answer,
            judged=judged,
            receipt=receipt,
            reply=reply,
            expected=expected,
            differences=found,
            distance=_distance(found, reply, answer),
        )


def _distance(found: Sequence[Difference], reply: Reply, answer: RecordedAnswer) -> int:
    if not found:
        return 0
    other_outcome = (reply.status >= REFUSING) != answer.is_refusal
    statuses = sum(difference.pointer == STATUS for difference in found)
    return len(found) + statuses * (OTHER_STATUS - 1) + other_outcome * OTHER_OUTCOME


def _differences(expected: Prediction, answer: RecordedAnswer, ignored: frozenset[str]) -> Iterator[Difference]:
    """Yield how a recorded reply differs from what is expected."""
    reply = answer.reply
    if reply.status != expected.status:
        message = f"{expected.status} by the contract, recorded {reply.status}"
        yield Difference(STATUS, expected.status, reply.status, message)
    yield from _header_differences(expected.headers, answer, ignored)
    if not answer.has_body:
        return
    if expected.text is not None:
        yield from differences(expected.text, answer.text, TEXT)
    elif expected.body is not MISSING and answer.body is not MISSING:
        found = differences(expected.body, answer.body, JSON)
        yield from (difference for difference in found if not _is_hidden(difference))
    elif expected.body is not MISSING or reply.body:
        yield Difference(TEXT, None, answer.text, "a body of another kind")


def _is_hidden(difference: Difference) -> bool:
    """Tell whether a member differs only because its value is hidden in recordings: its name says that it is secret."""
    both = isinstance(difference.expected, str | dict) and isinstance(difference.got, str)
    return both and is_secret_name(pointer.parse(difference.pointer)[-1])


def _header_differences(
    expected: Mapping[str, Json], answer: RecordedAnswer, ignored: frozenset[str]
) -> Iterator[Difference]:
    recorded = {name.lower(): value for name, value in answer.reply.headers}
    for name in dict.fromkeys((*expected, *recorded)):
        if name in ignored or NOT_THE_APIS.fullmatch(name):
            continue
        want, got = expected.get(name), recorded.get(name)
        if name == CONTENT_TYPE and (got is None or media_type(got) == media_type(str(want)) or not answer.reply.body):
            continue
        if want is None or got is None:
            yield Difference(f"{HEADERS}{name}", want, got, "on one side only")
        else:
            yield from differences(want, got, f"{HEADERS}{name}")
