"""Samples and requests read back from what `as_json` and `repr` write of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import expand
from mockserver.lint.prediction import Prediction
from mockserver.strategies.non_schema_mutations import MEASURED
from mockserver.strategies.plans import NOW_MS, plan_of
from mockserver.strategies.samples import Breach, CertificateError, Request, Sample


def read_request(written: Mapping[str, Any]) -> Request:
    """Return a request that was written as JSON."""
    value: Json = MISSING
    if "json" in written:
        value = expand(written["json"])
        body = render(value)
    else:
        body = base64.b64decode(written["base64"]) if "base64" in written else expand(written.get("text", "")).encode()
    headers = tuple(written.get("headers", {}).items())
    return Request(method=written["method"], path=written["path"], headers=headers, body=body, json=value)


def read_sample(written: Mapping[str, Any], *, now_ms: int = NOW_MS, contract: Contract | None = None) -> Sample:
    """Return a sample that was written as JSON, such as a line of the corpus.

    It is made anew under its revision, or under the `contract`. Where that answers otherwise than is written, as for a
    sample of a patched contract, the sample has the status and body that are written, and no more of its reply.
    """
    request, before = read_request(written["request"]), tuple(map(read_request, written.get("before", ())))
    breaches = written.get("bad") or ([written] if "rule" in written else [])
    bad = [Breach(rule=b["rule"], keyword=b["keyword"], pointer=b["pointer"], index=b.get("index")) for b in breaches]
    contract = contract or library().protocol(written["protocol"]).contract(written["revision"])
    plan = plan_of(contract, now_ms, 0, ())
    operation = contract.operations.get(written["operation"] or "")
    try:
        sample = plan.sample(operation, request, (), bad, before)
    except (CertificateError, ContractError):
        sample = None
    if sample is not None and sample.expect.as_json() == written["expect"]:
        events = _events(plan.operations[operation.name].forms, sample) if operation is not None else ()
        return plan.sample(operation, request, events, bad, before)
    expected = written["expect"]
    prediction = Prediction(
        status=expected["status"],
        headers={},
        body=expand(expected["json"]) if "json" in expected else MISSING,
        text=expected.get("text"),
        fact="",
        schema=None,
    )
    return Sample(
        protocol=written["protocol"],
        operation=written["operation"],
        revision=written["revision"],
        now_ms=now_ms,
        request=request,
        form=None,
        prediction=prediction,
        before=before,
        bad=tuple(bad),
    )


def _events(forms: Mapping[str, Any], sample: Sample) -> tuple[Json, ...]:
    """Return the events of a sample's body; none where something else than its events is broken."""
    if not all(breach.index is not None or breach.keyword == MEASURED for breach in sample.bad):
        return ()
    form = None if sample.form is None else forms.get(sample.form.name)
    return () if form is None or sample.request.json is MISSING else tuple(form.events_in(sample.request.json))
