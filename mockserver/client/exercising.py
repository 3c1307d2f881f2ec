"""Running a program once for each stimulus of a protocol, each time in a session of its own; one score of all runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mockserver.client.client import Session
from mockserver.client.results import Conformance, RuleScore, RuleVerdict
from mockserver.contract.client_rules import ClientRules, Stimulus
from mockserver.errors import SettingsError, unknown

ORDINARY: Final = "ordinary"
"""The name of the run in which nothing happens to the client."""
ORDER: Final[tuple[RuleVerdict, ...]] = ("fail", "pass", "not_exercised")
"""Which verdict of several runs counts: the first one that there is."""
QUIET_S: Final = 0.25
LONGEST_WAIT_S: Final = 10.0
"""How long requests are waited for that a program left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program: under which stimulus, with which exit code (None: it took too long), what came of it."""

    stimulus: str
    exit_code: int | None
    requests: int
    events: int
    score: Conformance


def runs_of(rules: ClientRules, *, quick: bool) -> list[Stimulus]:
    """Return the stimuli that rules name; with `quick` those for which no client has to wait."""
    named = dict.fromkeys(rule.stimulus.name for rule in rules.rules.values() if rule.stimulus is not None)
    chosen = [rules.stimuli[name] for name in named]
    return [stimulus for stimulus in chosen if not (quick and stimulus.takes_ms)]


def exercise(
    protocol: str,
    stimuli: Sequence[Stimulus],
    session_of: Callable[[str], Session],
    run: Callable[[Session, int], int | None],
    *,
    made: int | None = None,
    told: Callable[[Run], None] = lambda run: None,
) -> list[Run]:
    """Run a program without a stimulus and then with each, and return the runs.

    `session_of` opens a session by the name of a stimulus; `run` runs the program in it, with the time that it may take
    beyond the usual in ms, and returns its exit code, or None if it took too long. `made` is the number of different
    events that the program makes; without it, as many as came in the first run are made in the others.
    """
    runs: list[Run] = []
    for stimulus in (Stimulus(name=ORDINARY, text=""), *stimuli):
        session = session_of(stimulus.name)
        if stimulus.steps:
            session.faults.replace(list(stimulus.steps))  # type: ignore[arg-type]
        exit_code = run(session, stimulus.takes_ms or 0)
        _settle(session)
        score = session.conformance(protocol, final=True, made=made)
        arrived = len([row for row in session.deliveries() if row.protocol == protocol])
        requests = len(session.requests(protocol=protocol))
        runs.append(Run(stimulus=stimulus.name, exit_code=exit_code, requests=requests, events=arrived, score=score))
        if made is None and arrived:
            made = arrived
        told(runs[-1])
    return runs


def _settle(session: Session) -> None:
    from mockserver.client.session_calls import WaitError

    try:
        session.wait_until_quiet(QUIET_S, LONGEST_WAIT_S)
    except WaitError:
        return


def merged(runs: Sequence[Run]) -> Conformance:
    """Return one score: a rule that any run breaks is broken, else one that any run keeps is kept.

    Requests are named with the run that they are in.
    """
    rows: dict[str, RuleScore] = {}
    for run in runs:
        for row in run.score.rules:
            found = replace(row, requests=tuple(f"{run.stimulus}/{id}" for id in row.requests))
            rows[row.rule] = found if row.rule not in rows else _worse(rows[row.rule], found)
    return Conformance(session=ORDINARY, rules=tuple(rows.values()), evicted=sum(run.score.evicted for run in runs))


def _worse(first: RuleScore, second: RuleScore) -> RuleScore:
    chosen = first if ORDER.index(first.verdict) <= ORDER.index(second.verdict) else second
    requests = (*first.requests, *second.requests)
    cases, failures = first.cases + second.cases, first.failures + second.failures
    return replace(chosen, requests=requests, cases=cases, failures=failures)


def read_known(path: Path, rules: Iterable[str]) -> dict[str, str]:
    """Return the names of rules in a file of known failures, with the reason of each.

    A line has a name, and after a `#` the reason. Raises SettingsError for an unknown name, and for a file that cannot
    be read.
    """
    names, known = list(rules), dict[str, str]()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise SettingsError(f"cannot read {path}: {reason}") from None
    for number, line in enumerate(lines, 1):
        name, _, reason = line.partition("#")
        if not name.strip():
            continue
        if name.strip() not in names:
            raise SettingsError(f"{path}, line {number}: {unknown('rule', name.strip(), names)}")
        known[name.strip()] = reason.strip()
    return known


def unexpected(score: Conformance, known: Mapping[str, str], level: str) -> tuple[list[RuleScore], list[RuleScore]]:
    """Return the broken rules of a level that are not known, and the known ones that are kept.

    With the level `should`, every broken rule counts; with `must`, only those.
    """
    broken = [row for row in score.failed if row.rule not in known and level in ("should", row.level)]
    return broken, [row for row in score.of("pass") if row.rule in known]
