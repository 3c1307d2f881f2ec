"""Making a recording of exchanges that this process holds, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mockserver.recording.recorder import Known, Recorder, UnfaithfulError
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.exchange import Exchange

Told = Callable[[int], None]
"""Is told of how many exchanges the lines are made."""


def recording_lines(
    exchanges: Sequence[Exchange],
    known: Known,
    rules: Rules,
    upstreams: Mapping[str, str],
    now_ms: int,
    told: Told = lambda done: None,
) -> list[bytes]:
    """Return the lines of a recording, its head first.

    `known` has what is secret beside the exchanges, `upstreams` the URLs by protocol; `now_ms` is for a recording
    without exchanges. Raises UnfaithfulError for an exchange that would be judged otherwise.
    """
    for exchange in exchanges:
        known.add(exchange)
    problem: UnfaithfulError | None = None
    for shaped in (False, True):
        recorder = Recorder(known.scrubber(rules, shaped=shaped), normalise=known.normalise)
        lines: list[bytes] = []
        try:
            for exchange in exchanges:
                lines.append(recorder.line(exchange))
                told(len(lines))
        except UnfaithfulError as error:
            problem = problem or error
        else:
            return [recorder.head(upstreams, rules, now_ms), *lines]
    assert problem is not None, "one of them was raised"
    raise problem
