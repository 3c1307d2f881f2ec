"""An event is only called plainly good where the long way finds neither an error nor a warning."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.case_reader import DEFAULT_CLOCK, case_of_corpus_line
from mockserver.lint.located_findings import errors_of, warnings_of
from mockserver.lint.plainly_good import PlainlyGood
from tests import cases

EVERY = 3


def found(judged: Judged, index: int) -> bool:
    """Return whether the long way finds something about one event."""
    errors = errors_of(judged, [index], single_event=True)
    return bool(errors or list(warnings_of(judged, errors, [index], single_event=True)))


@pytest.mark.parametrize("now", [0, epoch_ms(DEFAULT_CLOCK)], ids=["at no time", "at a time"])
@pytest.mark.parametrize("protocol", library().protocols)
def test_event_is_plainly_good_only_when_nothing_is_found(protocol: str, now: int) -> None:
    wrong, outcomes = [], Counter[tuple[bool, bool]]()
    known: dict[tuple[str, str, str], PlainlyGood] = {}
    path = cases.FIXTURES / "corpus" / f"{protocol}.ndjson"
    for text in path.read_text().split("\n")[:-1][::EVERY]:
        line = json.loads(text)
        contract = library().protocol(protocol).contract(line["revision"])
        request = case_of_corpus_line(line, path.name, "").exchanges[-1].request
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=now))
        if judged.operation is None or judged.form is None:
            continue
        key = contract.revision, judged.operation.name, judged.form.name
        good = known.setdefault(key, PlainlyGood(contract, judged.operation, judged.form))
        for index, event in enumerate(judged.events[:3]):
            outcome = good.holds(judged.request_body.value, event, judged), found(judged, index)
            outcomes[outcome] += 1
            if outcome == (True, True):
                wrong.append((line["revision"], event))
    assert not wrong
    assert outcomes[True, False] > 4 * outcomes[False, False], outcomes
    assert outcomes[False, True] > 20, outcomes
