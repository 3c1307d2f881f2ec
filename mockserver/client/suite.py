"""Sessions for the tests of a suite: one server, and one session per test, configured by markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Final, get_args

from mockserver.client import keys, session_calls
from mockserver.client.client import Client, Session
from mockserver.client.keys import Credentials
from mockserver.client.recording_files import RecordingFile
from mockserver.errors import not_among, unknown
from mockserver.jsonkit import Json
from mockserver.settings import RecordMode

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

MARK_MEMBERS: Final = (
    "protocol",
    "operation",
    "revision",
    "patch",
    "faults",
    "rate_limits",
    "keys",
    "recording",
    "record",
    "repeats",
    "redact",
)
MARK_TYPES: Final = {
    "patch": Mapping,
    "faults": list | tuple,
    "keys": list | tuple,
    "recording": str | Path,
    "repeats": bool,
    "redact": list | tuple,
}
"""The type of an argument of a marker; of the others, it is str."""
MARK_NOUNS: Final = {
    Mapping: "mapping",
    list | tuple: "list",
    str: "string",
    str | Path: "path",
    bool: "True or False",
}
RECORD_MODES: Final = get_args(RecordMode)
SLUG_LENGTH: Final = 60


class MarkError(ValueError):
    """A marker has invalid arguments."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """The initial state of a session: contracts by protocol, settings, faults, and the kind of key that names it.

    `recording` is the file that it is answered from, as the marker names it.
    """

    protocols: dict[str, dict[str, Json]] = field(default_factory=dict)
    settings: dict[str, Json] = field(default_factory=dict)
    faults: list[Json] = field(default_factory=list)
    protocol: str | None = None
    operation: str | None = None
    recording: str | Path | None = None
    record: RecordMode = "none"
    repeats: bool = False
    redact: tuple[str, ...] = ()

    def add(self, mark: Mapping[str, Json]) -> None:
        """Apply a marker; its arguments override earlier ones. Raises MarkError."""
        for name, value in mark.items():
            if name not in MARK_MEMBERS:
                raise MarkError(f"marker mockserver: {unknown('argument', name, MARK_MEMBERS)}")
            expected = MARK_TYPES.get(name, str)
            if not isinstance(value, expected) and value is not None:
                noun = MARK_NOUNS[expected]
                article = "" if expected is bool else "a "
                raise MarkError(f"marker mockserver: {name} must be {article}{noun}, got {value!r}")
        protocol = mark.get("protocol")
        if protocol is None and any(name in mark for name in ("operation", "revision", "patch")):
            raise MarkError("marker mockserver: operation, revision and patch require protocol")
        if protocol is not None:
            self.protocol, self.operation = protocol, mark.get("operation")
            contract = self.protocols.setdefault(protocol, {})
            if "revision" in mark:
                contract["revision"] = mark["revision"]
            if "patch" in mark:
                contract["patch"] = compose(contract.get("patch"), mark["patch"])
        self.faults = list(mark.get("faults", self.faults) or ())
        self.settings |= {name: mark[name] for name in ("rate_limits", "keys") if name in mark}
        self._add_recording(mark)

    def _add_recording(self, mark: Mapping[str, Json]) -> None:
        self.recording = mark.get("recording", self.recording)
        record = mark.get("record") or self.record
        if record not in RECORD_MODES:
            raise MarkError(f"marker mockserver: record {not_among(record, RECORD_MODES)}")
        self.record, self.repeats = record, bool(mark.get("repeats", self.repeats))
        self.redact = tuple(mark.get("redact") or self.redact)
        if self.recording is None and ("record" in mark or "repeats" in mark):
            raise MarkError("marker mockserver: record and repeats require recording")


def compose(first: Json, second: Json) -> Json:
    """Combine two consecutive merge patches; nulls are kept, because they delete."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    return {**first, **{name: compose(first.get(name), member) for name, member in second.items()}}


def recording_of(
    marks: Iterable[Mapping[str, Json]],
    folder: Path,
    record: RecordMode | None = None,
    redact: Sequence[str] = (),
) -> RecordingFile | None:
    """Return the recording that markers name, None if they name none. Raises MarkError.

    Its path is relative to `folder`, that of the test's file. `record` overrides the markers; `redact` has more rules.
    """
    plan = Plan()
    for mark in marks:
        plan.add(mark)
    if plan.recording is None:
        return None
    return RecordingFile(
        path=folder / plan.recording, record=record or plan.record, repeats=plan.repeats, redact=(*plan.redact, *redact)
    )


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The server of a test run; `scope` distinguishes runs and workers that share a server.

    A server outside this process was not started with the run's `revisions`, `contract_patches` and `rate_limits`, so
    each session sets them.
    """

    server: Client
    scope: str = ""
    revisions: Mapping[str, str] = field(default_factory=dict)
    contract_patches: Iterable[Path | str] = ()
    rate_limits: str | None = None

    @cached_property
    def _credentials(self) -> Mapping[str, Credentials]:
        return self.server.connections.run(session_calls.credentials())

    @cached_property
    def _patches(self) -> Mapping[str, Json]:
        from mockserver.contract.library import read_patch

        patches: dict[str, Json] = {}
        for path in self.contract_patches:
            protocol, patch = read_patch(Path(path))
            patches[protocol] = compose(patches.get(protocol), patch)
        return patches

    def prepare(self) -> None:
        """Read what `open` needs, from the server and from files. Raises MockServerError."""
        _ = self._credentials, self._patches

    def open(self, test: str, marks: Iterable[Mapping[str, Json]] = (), *, attempt: int = 1) -> Session:
        """Return a new session for a test, with the same name in every run; later markers override earlier ones.

        The name is a different one for each `attempt` at the test. Raises MarkError, ControlError.
        """
        plan = Plan(protocols={name: {"revision": revision} for name, revision in self.revisions.items()})
        for name, patch in self._patches.items():
            plan.protocols.setdefault(name, {})["patch"] = patch
        if self.rate_limits is not None:
            plan.settings["rate_limits"] = self.rate_limits
        for mark in marks:
            plan.add(mark)
        session = self.server.session(self._name(test, plan, attempt))
        session.forget()
        if plan.protocols:
            plan.settings["protocols"] = plan.protocols
        if plan.settings:
            session.settings(**plan.settings)
        if plan.faults:
            session.faults.replace(plan.faults)
        return session

    def _name(self, test: str, plan: Plan, attempt: int) -> str:
        place, bracket, values = test.partition("[")
        named = place.rpartition("::")[2] + bracket + values
        words = re.sub("[^A-Za-z0-9]+", "_", named).strip("_").removeprefix("test_")
        seed = f"{self.scope}\n{test}" if attempt == 1 else f"{self.scope}\n{test}\n{attempt}"
        digest = blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        slug = f"{words[:SLUG_LENGTH]}_{digest}"
        if plan.protocol is None:
            return keys.general(slug, self._credentials)
        if plan.protocol not in self._credentials:
            raise MarkError(unknown("protocol", plan.protocol, self._credentials))
        return keys.well_formed(slug, self._credentials[plan.protocol].of(plan.operation))
