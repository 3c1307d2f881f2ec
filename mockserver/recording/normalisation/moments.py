"""Times in a normalised recording: offsets from its first exchange, such as `<time+0.300s>`, that readers put back.

A token says how the time is written: `<time+0.300s>` is RFC 3339 in UTC with three decimals, `<time+12s+02:00>` has no
decimals and an offset, `<epoch_ms+0.300s>` and `<epoch_s+1s>` are numbers, in milliseconds and seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.recording.normalisation.normal_form import Mark, NormalForm, Side

STEP_MS: Final = 100
"""What times are rounded to, so that two runs of a program have the same ones."""
NEAR_MS: Final = 3_600_000
"""How far from its exchange a time may be that the contract does not know: others do not move with the exchange."""
_TOKEN: Final = re.compile(r"<(time|epoch_ms|epoch_s)([+-][0-9]{1,12})(?:\.([0-9]{1,9}))?s([+-][0-9]{2}:[0-9]{2})?>")
_WRITTEN: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_MOVABLE: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<decimals>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
"""Times that can be moved: a date, alone or with a time of day, with or without an offset."""
_FIRST_MS: Final = 100_000_000_000
_FIRST_SECONDS: Final = 100_000_000
"""Numbers from which on a time is taken for milliseconds, and for seconds since 1970: the year 1973."""


def has_token(value: Json) -> bool:
    """Return whether a text in a value reads like a token."""
    if isinstance(value, str):
        return value.find("<") >= 0 and _TOKEN.search(value) is not None
    if isinstance(value, dict):
        return any(has_token(name) or has_token(member) for name, member in value.items())
    return isinstance(value, list) and any(map(has_token, value))


def with_times(row: Mapping[str, Json], created_ms: int) -> dict[str, Json]:
    """Return an exchange of a normalised recording with its times put back; in headers they are texts."""
    whole = {name: _expanded(member, created_ms) for name, member in row.items()}
    for message in ("request", "reply"):
        if whole[message] is not None:
            headers = [[name, _text(value, created_ms)] for name, value in row[message]["headers"]]
            whole[message] = {**whole[message], "headers": headers}
    return whole


def _expanded(value: Json, created_ms: int) -> Json:
    if isinstance(value, str):
        if "<" not in value:
            return value
        whole = _TOKEN.fullmatch(value)
        if whole is not None and whole[1] != "time":
            return int(_moment(whole, created_ms))
        return _text(value, created_ms)
    if isinstance(value, dict):
        return {name: _expanded(member, created_ms) for name, member in value.items()}
    return [_expanded(item, created_ms) for item in value] if isinstance(value, list) else value


def _text(text: str, created_ms: int) -> str:
    return _TOKEN.sub(lambda token: _moment(token, created_ms), text)


def _moment(token: re.Match[str], created_ms: int) -> str:
    kind, seconds, decimals, offset = token.groups()
    shift = int(seconds) * 1000 + int(f"{seconds[0]}{(decimals or '')[:3].ljust(3, '0')}")
    ms = created_ms + shift
    if kind == "epoch_ms":
        return str(ms)
    if kind == "epoch_s":
        return str(ms // 1000)
    zone = "Z" if offset is None else offset
    day = rfc3339_ms(ms + _offset_ms(zone))
    more = f".{day[20:23].ljust(9, '0')[: len(decimals)]}" if decimals else ""
    return f"{day[:19]}{more}{zone}"


def _offset_ms(zone: str) -> int:
    if zone == "Z":
        return 0
    ms = (int(zone[1:3]) * 60 + int(zone[4:6])) * 60_000
    return -ms if zone[0] == "-" else ms


class Moments:
    """Writes the times of one exchange as tokens. `now_ms` is its session time, `step_ms` what is rounded to."""

    def __init__(self, created_ms: int, now_ms: int, step_ms: int) -> None:
        self._created_ms = created_ms
        self._now_ms = now_ms
        self._step_ms = step_ms
        self._spelled: dict[str, str] = {}

    def body(self, body: Mapping[str, Json], form: NormalForm, side: Side) -> Mapping[str, Json]:
        """Return a recorded body; only JSON has tokens."""
        if "json" not in body:
            return body
        tokens: dict[tuple[str | int, ...], str] = {}
        for mark in form.marks(body["json"], side):
            token = self._token(mark) if mark.kind == "time" else None
            if token is not None:
                tokens[mark.place] = token
                self._spelled.setdefault(str(mark.value), token)
        return {**body, "json": put(body["json"], tokens)} if tokens else body

    def headers(self, headers: list[Json], form: NormalForm) -> list[Json]:
        """Return headers; one that the contract calls a time has a token."""
        return [
            [name, self._header(value) if form.header(name, value) == "<time>" else value] for name, value in headers
        ]

    def told(self, value: Json) -> Json:
        """Return findings, or a reply's texts, with tokens for the times that are tokens elsewhere in the exchange."""
        if isinstance(value, str):
            for text, token in self._spelled.items():
                if len(text) >= 10 and text in value:
                    value = value.replace(text, token)
            return value
        if isinstance(value, dict):
            return {name: self.told(member) for name, member in value.items()}
        if isinstance(value, list):
            return list(map(self.told, value))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return self._spelled.get(str(value), value) if is_number else value

    def _header(self, value: str) -> str:
        if value.isascii() and value.isdigit() and len(value) == 10 and self._is_near(int(value) * 1000):
            return self._written("epoch_s", int(value) * 1000, 0)
        return value

    def _token(self, mark: Mark) -> str | None:
        value = mark.value
        if isinstance(value, int) and not isinstance(value, bool):
            if len(str(value)) == 10:
                return self._written("epoch_s", value * 1000, 0) if self._is_near(value * 1000) else None
            return self._written("epoch_ms", value, 3) if len(str(value)) == 13 and self._counts(mark, value) else None
        written = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
        ms = None if written is None else epoch_ms(value)
        if written is None or ms is None or not self._counts(mark, ms):
            return None
        decimals = len(written[1] or "")
        zone = "" if written[2] == "Z" else written[2]
        return None if decimals in (1, 2) else self._written("time", ms, decimals, zone)

    def _counts(self, mark: Mark, ms: int) -> bool:
        return mark.known or self._is_near(ms)

    def _is_near(self, ms: int) -> bool:
        return abs(ms - self._now_ms) <= NEAR_MS

    def _written(self, kind: str, ms: int, decimals: int, zone: str = "") -> str:
        """Return a token. Without decimals, it is rounded up: what it adds to the second is cut off."""
        since = ms - self._created_ms
        shift = -(-since // 1000) * 1000 if not decimals else round(since / self._step_ms) * self._step_ms
        seconds, rest = divmod(abs(shift), 1000)
        more = f".{rest:03d}".ljust(decimals + 1, "0") if decimals else ""
        return f"<{kind}{'-' if shift < 0 else '+'}{seconds}{more}s{zone}>"


def put(value: Json, others: Mapping[tuple[str | int, ...], Json], place: tuple[str | int, ...] = ()) -> Json:
    """Return a document with other values at some places."""
    if isinstance(value, dict):
        return {name: put(member, others, (*place, name)) for name, member in value.items()}
    if isinstance(value, list):
        return [put(item, others, (*place, index)) for index, item in enumerate(value)]
    return others.get(place, value)


def shifted(value: Json, ms: int) -> Json:
    """Return a time moved by some milliseconds and written as it was; what is not written as a time stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if not isinstance(value, str):
        if abs(value) < _FIRST_SECONDS:
            return value
        return value + (ms if abs(value) >= _FIRST_MS else ms // 1000)
    found = _MOVABLE.fullmatch(value)
    moment = None if found is None else epoch_ms(f"{found['day']}T{found['time'] or '00:00:00'}{found['zone'] or 'Z'}")
    if found is None or moment is None:
        return value
    decimals = found["decimals"] or ""
    day = rfc3339_ms(moment + int(decimals[:3].ljust(3, "0")) + ms + _offset_ms(found["zone"] or "Z"))
    if found["time"] is None:
        return day[:10]
    fraction = (day[20:23] + decimals[3:])[: len(decimals)]
    return f"{day[:19]}{'.' if decimals else ''}{fraction}{found['zone'] or ''}"
