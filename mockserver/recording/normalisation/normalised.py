"""Making the exchanges of a recording the same in each run: ids are numbered, times are offsets from the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, jsontext
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.normalisation.contract_places import ANY
from mockserver.recording.normalisation.moments import STEP_MS, Moments, with_times
from mockserver.recording.normalisation.normal_form import NormalForm, Side, normal_form
from mockserver.recording.recorded_body import content_of
from mockserver.recording.redaction.redaction_rules import Place
from mockserver.recording.redaction.scrubbed import personal_places
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.views import View


def ids_of(exchange: Exchange) -> Iterator[str]:
    """Yield the ids in a request, and in the reply if it is not the contract's, which makes the same ones each time."""
    form, request = normal_form(exchange.contract), exchange.request
    for name, value in request.headers:
        if form.header(name.decode("latin-1"), value.decode("latin-1")) == "<id>":
            yield value.decode("latin-1").strip()
    body = RequestBody(request)
    if body.parse(exchange.contract.max_body):
        words = [known.place for known in personal_places(exchange.contract) if known.kind == "text"]
        yield from _ids_in(body.value, form, "request", words)
    reply = exchange.override.reply
    if reply is not None:
        yield from (value.strip() for name, value in reply.headers if form.header(name, value) == "<id>")
        yield from _ids_in(_json_of(reply), form, "reply")


def _ids_in(value: Json, form: NormalForm, side: Side, words: Sequence[Place] = ()) -> Iterator[str]:
    """Yield the ids in a body. What is at places of `words` is hidden as such: it may be a plain word."""
    for mark in form.marks(value, side):
        is_id = mark.kind == "id" and isinstance(mark.value, str) and mark.value.strip()
        if is_id and not any(_is_inside(mark.place, place) for place in words):
            yield mark.value


def _is_inside(place: tuple[str | int, ...], around: Place) -> bool:
    tokens = zip(place, around, strict=False)
    return len(place) >= len(around) and all(known in (ANY, token) for token, known in tokens)


def _json_of(reply: WireReply) -> Json:
    try:
        return jsontext.view(reply.body)
    except jsontext.NotJSONError:
        return None


def normalised(
    row: dict[str, Json], exchange: Exchange, created_ms: int, is_judged_alike: Callable[[View], bool]
) -> dict[str, Json]:
    """Return a row with offsets for times, rounded if the exchange is judged alike then, else exact, else unchanged.

    `exchange` is what the row was made of.
    """
    for step_ms in (STEP_MS, 1):
        candidate = _with_offsets(row, exchange, created_ms, step_ms)
        whole = with_times(candidate, created_ms)
        if (step_ms == 1 and whole == row) or is_judged_alike(View(_exchange_of(whole, exchange, created_ms))):
            return candidate
    return row


def _with_offsets(row: dict[str, Json], exchange: Exchange, created_ms: int, step_ms: int) -> dict[str, Json]:
    form, moments = normal_form(exchange.contract), Moments(created_ms, exchange.now_ms, step_ms)
    request, reply = row["request"], row["reply"]
    request = {**request, "body": moments.body(request["body"], form, "request")}
    if reply is not None:
        headers = moments.headers(reply["headers"], form)
        reply = {**reply, "headers": headers, "body": moments.told(moments.body(reply["body"], form, "reply"))}
    told = {name: moments.told(row[name]) for name in ("findings", "events", "differs")}
    at_ms = round(row["at_ms"] / step_ms) * step_ms
    return {**row, "at_ms": at_ms, "request": request, "reply": reply, **told}


def _exchange_of(row: dict[str, Json], exchange: Exchange, created_ms: int) -> Exchange:
    """Return the exchange as a reader of the row has it."""
    request = row["request"]
    headers = [(name, value) for name, value in request["headers"]]
    encoding = exchange.shared.head.header(b"content-encoding") or ""
    read = wire_request(request["method"], request["path"], headers, content_of(request["body"], encoding))
    head = structs.replace(exchange.shared.head, target=read.target, headers=read.headers, fields=read.fields)
    now_ms = created_ms + row["at_ms"]
    return structs.replace(exchange, shared=replace(exchange.shared, head=head), body=read.body, now_ms=now_ms)
