"""The closed list of formats: what each takes and refuses, and the one reading of a date-time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.contract.language import Meta
from mockserver.contract.library import contracts_folder
from mockserver.jsonkit.formats import FORMATS, epoch_ms, rfc3339_ms

TAKEN = {
    "date-time": [
        "2026-06-14T12:00:00.000Z",
        "2026-06-14T12:00:00Z",
        "2026-06-14T12:00:00.123456789Z",
        "2026-06-14T16:03:04.123+04:00",
        "2024-02-29T00:00:00-23:59",
        "0001-01-01T00:00:00Z",
    ],
    "iso-8601": [
        "2026-06-14",
        "2026-06-14T12:00",
        "2026-06-14T12:00Z",
        "2026-06-14T12:00:00",
        "2026-06-14T12:00:00,5+01",
        "2026-06-14T12:00:00.123456789012Z",
        "2026-06-14T12:00:00-08:00",
    ],
    "uuid": [
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "A1B2C3D4-E5F6-7890-ABCD-EF1234567890",
        "00000000-0000-0000-0000-000000000000",
    ],
    "uri": ["https://example.com/pricing?plan=pro#top", "server://jane@acme.com", "urn:a:b", "http://[::1]:8207/"],
    "email": ["jane@example.com", "a@b", "first.last+tag@sub.example.co"],
}
REFUSED = {
    "date-time": [
        "",
        "2026-06-14",
        "2026-06-14T12:00:00",
        "2026-06-14T12:00Z",
        "2026-06-14 12:00:00Z",
        "2026-06-14t12:00:00z",
        "2026-02-30T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2026-06-14T24:00:00Z",
        "2026-06-14T12:00:00.Z",
        "2026-06-14T12:00:00,5Z",
        "2026-06-14T12:00:00+24:00",
        "2026-06-14T12:00:00Z\n",
        "٢٠٢٦-06-14T12:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
    "iso-8601": [
        "",
        "yesterday",
        "2026-06",
        "2025-02-29",
        "2026-02-30T12:00:00Z",
        "2026-06-14T12",
        "2026-06-14T25:00",
        "2026-06-14T12:60",
        "2026-06-14Z",
        "2026-06-14T12:00:00+24:00",
        "2026-06-14T12:00.5",
        "20260614T120000Z",
        "2026-06-14T12:00:00Z\n",
        "Wed, 15 Jan 2025 10:30:00 GMT",
    ],
    "uuid": [
        "",
        "visitor-123",
        "a1b2c3d4e5f67890abcdef1234567890",
        "a1b2c3d4-e5f6-7890-abcd-ef123456789g",
        "{a1b2c3d4-e5f6-7890-abcd-ef1234567890}",
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890\n",
    ],
    "uri": ["", "/pricing", "example.com/pricing", "https://example.com/a b", "1http://x", "https://example.com\n"],
    "email": ["", "jane", "@example.com", "jane@", "jane@@example.com", "jane @example.com", "jane@example.com\n"],
}


def test_formats_are_those_the_contract_language_allows() -> None:
    allowed = Meta(contracts_folder() / "meta").schema("schema")["$defs"]["schema"]["properties"]["format"]["enum"]
    assert list(FORMATS) == allowed
    assert set(TAKEN) == set(REFUSED) == set(FORMATS)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TAKEN.items() for text in texts])
def test_format_takes_what_it_names(name: str, text: str) -> None:
    assert FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_format_refuses_what_is_near_it(name: str, text: str) -> None:
    assert not FORMATS[name](text)


@given(st.text(), st.sampled_from(sorted(FORMATS)))
def test_format_answers_whatever_the_text(text: str, name: str) -> None:
    assert FORMATS[name](text) in (True, False)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-23 * 60, 23 * 60))
def test_date_time_says_the_same_moment_in_every_zone(moment: datetime, offset_minutes: int) -> None:
    local = moment.replace(tzinfo=None)
    sign, minutes = ("-" if offset_minutes < 0 else "+"), abs(offset_minutes)
    zoned = f"{local.isoformat(timespec='milliseconds')}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    utc = epoch_ms(local.isoformat(timespec="milliseconds") + "Z")
    assert utc is not None
    assert epoch_ms(zoned) == utc - offset_minutes * 60_000


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_canonical_form_reads_back(ms: int) -> None:
    text = rfc3339_ms(ms)
    assert len(text) == len("2026-06-14T12:00:00.000Z")
    assert epoch_ms(text) == ms


@pytest.mark.parametrize(("ms", "year"), [(10**18, "9999"), (-(10**18), "0001")])
def test_time_beyond_the_calendar_is_cut_to_it(ms: int, year: str) -> None:
    assert rfc3339_ms(ms).startswith(f"{year}-")


def test_finer_digits_are_cut_not_rounded() -> None:
    whole = datetime(2026, 5, 31, 12, tzinfo=UTC)
    ms = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert epoch_ms("2026-05-31T12:00:00.123999999Z") == ms + 123
