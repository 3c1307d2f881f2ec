"""Events that are not plainly good, and what is found in them: only these are looked at closely."""

from __future__ import annotations

from collections.abc import Collection

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.core.findings import Finding
from mockserver.core.model import Judged
from mockserver.lint.located_findings import errors_of, warnings_of
from mockserver.lint.plainly_good import PlainlyGood


class Suspects:
    """Tells which events of judged requests are not plainly good, and what is found in them.

    Warnings are left out unless they are wanted.
    """

    def __init__(self, *, warnings: bool) -> None:
        self._warnings = warnings
        self._known_good: dict[tuple[Contract, Operation, Form], PlainlyGood] = {}

    def of(self, judged: Judged) -> Collection[int]:
        """Return the positions of the events that are not plainly good."""
        if judged.operation is None or judged.form is None:
            return range(len(judged.events))
        holds, body = self._good(judged.contract, judged.operation, judged.form).holds, judged.request_body.value
        return [index for index, event in enumerate(judged.events) if not holds(body, event, judged)]

    def all_findings(self, judged: Judged) -> list[tuple[int | None, Finding]]:
        """Return what is found about a request and its events, with the position of the event that it is about."""
        suspects = self.of(judged)
        errors = errors_of(judged, suspects)
        warnings = warnings_of(judged, errors, suspects) if self._warnings else ()
        return [*errors, *warnings]

    def findings(self, judged: Judged, operation: Operation, form: Form) -> list[tuple[int, Finding]]:
        """Return what is found in the events of a request with which nothing else is wrong, errors first."""
        suspects = self.of(judged)
        if not suspects:
            return []
        good = self._good(judged.contract, operation, form)
        found = [(index, finding) for index in suspects for finding in good.findings(judged, index, self._explained)]
        return sorted(found, key=lambda located: located[1].severity)

    def _explained(self, judged: Judged, index: int) -> tuple[Finding, ...]:
        """Return what is found in one event of a request with which nothing else is wrong."""
        errors = errors_of(judged, [index], single_event=True)
        warnings = warnings_of(judged, errors, [index], single_event=True) if self._warnings else ()
        return tuple(finding for _, finding in (*errors, *warnings))

    def _good(self, contract: Contract, operation: Operation, form: Form) -> PlainlyGood:
        key = contract, operation, form
        if key not in self._known_good:
            self._known_good[key] = PlainlyGood(contract, operation, form)
        return self._known_good[key]
