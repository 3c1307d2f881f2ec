"""The closed list of formats: what each takes and refuses, and the one reading of a date-time.

date-time: RFC 3339 sections 5.6 and 5.7; uuid: RFC 4122 section 3; uri: RFC 3986 section 3; email: RFC 5321 sections
4.1.2, 4.1.3 and 4.5.3.1, labels by RFC 1035 section 2.3.4.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.contract.language import Meta
from mockserver.contract.library import contracts_folder
from mockserver.contract.schema import Schema, compile_schema, formats_as_keywords
from mockserver.core.reference_engine import validator
from mockserver.jsonkit.formats import FORMATS, epoch_ms, rfc3339_ms

TAKEN = {
    "date-time": [
        "2026-06-14T12:00:00.000Z",
        "2026-06-14T12:00:00Z",
        "2026-06-14T12:00:00.123456789Z",
        "2026-06-14T16:03:04.123+04:00",
        "2024-02-29T00:00:00-23:59",
        "0001-01-01T00:00:00Z",
        "0000-02-29T00:00:00Z",
        "2026-06-14t12:00:00z",
        "2026-06-14T12:00:00-00:00",
        "2026-06-14T12:00:00.999999999999999Z",
        "1990-12-31T23:59:60Z",
        "1990-12-31T15:59:60-08:00",
        "1991-01-01t05:29:60.999+05:30",
        "1990-12-31T00:00:60-23:59",
        "1972-06-30T23:59:60z",
        "2028-02-29T23:59:60Z",
        "0000-12-31T23:59:60Z",
        "0001-01-01T00:29:60+00:30",
        "9999-12-31T23:59:60Z",
    ],
    "iso-8601": [
        "2026-06-14",
        "2026-06-14T12:00",
        "2026-06-14T12:00Z",
        "2026-06-14T12:00:00",
        "2026-06-14T12:00:00,5+01",
        "2026-06-14T12:00:00.123456789012Z",
        "2026-06-14T12:00:00-08:00",
        "2026-06-14t12:00z",
        "2026-06-14T12",
        "2026-06-14T12:00.5",
        "2026-06-14T24:00",
        "1990-12-31T15:59:60-08:00",
        "20260614",
        "20260614T120000Z",
        "20260614T120000.5+0100",
        "20260614T12",
        "2026-W24-7",
        "2026-W24-7T12:00:00Z",
        "2026W247T1200",
        "2020-W53-5",
        "2020W535T12",
        "0004-W53-1",
        "2026-165",
        "2026-365T12:00",
        "2026165T120000Z",
        "2024-366",
        "0400366",
    ],
    "uuid": [
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "A1B2C3D4-E5F6-7890-ABCD-EF1234567890",
        "00000000-0000-0000-0000-000000000000",
    ],
    "uri": [
        "https://example.com/pricing?plan=pro#top",
        "server://jane@acme.com",
        "urn:a:b",
        "mailto:jane@example.com",
        "a:",
        "a:/",
        "a:b//c",
        "file:///etc/hosts",
        "http://",
        "http://[::1]:8207/",
        "http://[2001:db8::7:192.0.2.1]",
        "http://[1:2:3:4:5:6:7:8]/",
        "http://[1:2:3:4:5:6:7::]/",
        "http://[v7.a:b]/",
        "http://jane:a%40b:c@example.com:/",
        "http://:80",
        "http://999.999.999.999/",
        "http://under_score~.example/!$&'()*+,;=:@",
        "https://example.com/gr%C3%B6%c3%9fe?/?:@#/?:@",
    ],
    "email": [
        "jane@example.com",
        "a@b",
        "first.last+tag@sub.example.co",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        '"jane doe"@example.com',
        '"a@b..c"@example.com',
        '"\\"\\\\\\ "@example.com',
        '""@example.com',
        "jane@123.example",
        "jane@a--b.example",
        "jane@999.999.999.999",
        "jane@[192.0.2.1]",
        "jane@[IPv6:2001:db8::7]",
        "jane@[ipv6:::ffff:192.0.2.1]",
        f"{'l' * 64}@example.com",
        f"jane@{'d' * 63}.example",
        f"{'l' * 64}@{'.'.join(['d' * 62, 'd' * 62, 'd' * 63])}",
    ],
}
REFUSED = {
    "date-time": [
        "",
        "2026-06-14",
        "2026-06-14T12:00:00",
        "2026-06-14T12:00Z",
        "2026-06-14 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-06-14T12:60:00Z",
        "2026-06-14T12:00:00-24:00",
        "2026-06-14T12:00:00+01:60",
        "2026-06-14T12:00:00+0100",
        "2026-06-14T12:00:00+01:00Z",
        "2026-6-14T12:00:00Z",
        "02026-06-14T12:00:00Z",
        "2026-165T12:00:00Z",
        "1990-12-31T23:59:61Z",
        "1990-12-31T23:58:60Z",
        "1990-12-31T22:59:60Z",
        "1990-12-30T23:59:60Z",
        "1990-12-31T23:59:60+01:00",
        "1990-12-31T23:59:60-08:00",
        "1990-12-31T23:59:60",
        "1990-12-31T23:59:60.Z",
        "1990-12-31 23:59:60Z",
        "1990-12-31T23:59:60Z\n",
        "1990-12-31T23:59:60٢Z",
        "2027-02-29T23:59:60Z",
        "2025-02-29T12:00:00Z",
        "2026-06-14T24:00:00Z",
        "2026-06-14T12:00:00.Z",
        "2026-06-14T12:00:00,5Z",
        "2026-06-14T12:00:00+24:00",
        "2026-06-14T12:00:00Z\n",
        "٢٠٢٦-06-14T12:00:00Z",
    ],
    "iso-8601": [
        "",
        "yesterday",
        "2026-06",
        "2025-02-29",
        "2026-02-30T12:00:00Z",
        "2026",
        "202606",
        "+12026-06-14",
        "P1D",
        "2026-W24",
        "2026-W00-1",
        "2026-W54-1",
        "2026-W24-8",
        "2021-W53-1",
        "0000-W53-1",
        "2026-000",
        "2026-366",
        "2100366",
        "0366-366",
        "2020-W53",
        "2024-366T25",
        "20250229",
        "2026-06-14T25:00",
        "2026-06-14T24:01",
        "2026-06-14T12:60",
        "2026-06-14Z",
        "2026-06-14T12:00:00+24:00",
        "2026-06-14T12:00:00:00",
        "1990-12-31T22:59:60Z",
        "1990-12-31T23:59:60",
        "2026-06-14T1200Z",
        "20260614T12:00Z",
        "20260614T120000+01:00",
        "2026-0614",
        "2026-W247",
        "2026-06-14 12:00:00Z",
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
    "uri": [
        "",
        "/pricing",
        "//example.com/",
        "example.com/pricing",
        "?a",
        ":a",
        "1http://x",
        "ht_tp://x",
        "a,b:c",
        "https://example.com/a b",
        *(f"https://example.com/{character}" for character in '"<>\\^`{|}[]\x00\x7f\u00f6\u200e\t'),
        "https://example.com/?a[]=1",
        "https://example.com/#a#b",
        "https://example.com/%",
        "https://example.com/%6",
        "https://example.com/%6G",
        "https://ex%ample.com/",
        "https://m\u00fcller.example/",
        "http://example.com:abc/",
        "http://example.com:8:0/",
        "http://a@b@c/",
        "http://[::1/",
        "http://[::1]a/",
        "http://[::g]/",
        "http://[1:2:3:4:5:6:7:8:9]/",
        "http://[1::2::3]/",
        "http://[12345::]/",
        "http://[::256.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[v.a]/",
        "http://[@example.com/",
        "https://example.com\n",
    ],
    "email": [
        "",
        "jane",
        "@example.com",
        "jane@",
        "jane@@example.com",
        "jane @example.com",
        " jane@example.com",
        "jane@example.com ",
        "jane@example.com\n",
        ".jane@example.com",
        "jane.@example.com",
        "ja..ne@example.com",
        "a@b@example.com",
        "ja\\@ne@example.com",
        "jane(home)@example.com",
        "a,b@example.com",
        "Jane <jane@example.com>",
        "jo\u00eb@example.com",
        "jane@m\u00fcller.example",
        "jane\uff20example.com",
        '"jane@example.com',
        '"jane"doe@example.com',
        '"ja"ne"@example.com',
        '"jane\\"@example.com',
        '"ja\tne"@example.com',
        '"jo\u00eb"@example.com',
        "jane@example.com.",
        "jane@.example.com",
        "jane@example..com",
        "jane@-example.com",
        "jane@example-.com",
        "jane@under_score.example",
        "jane@a=b.example",
        "jane@[]",
        "jane@[192.0.2]",
        "jane@[192.0.2.256]",
        "jane@[192.0.2.1",
        "jane@a[192.0.2.1]",
        "jane@[2001:db8::7]",
        "jane@[IPv6:2001:db8::g]",
        "jane@[tag:text]",
        f"{'l' * 65}@example.com",
        f'"{"l" * 63}"@example.com',
        f"jane@{'d' * 64}.example",
        f"{'l' * 64}@{'.'.join(['d' * 62, 'd' * 63, 'd' * 63])}",
    ],
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


def test_engines_agree_with_the_function_when_a_text_is_near_a_format() -> None:
    for name, is_format in FORMATS.items():
        bare = compile_schema({"format": name}, FORMATS).is_valid
        rewritten = compile_schema(formats_as_keywords({"format": name}), FORMATS).is_valid
        reference = validator(Schema("events", name, {"format": name})).is_valid
        for text in (text for texts in (*TAKEN.values(), *REFUSED.values()) for text in texts):
            assert is_format(text) == bare(text) == rewritten(text) == reference(text), (name, text)


@pytest.mark.parametrize(
    ("leap_second", "next_second"),
    [
        ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00Z"),
        ("1990-12-31t15:59:60.5-08:00", "1991-01-01T00:00:00.5Z"),
        ("0000-12-31T23:59:60Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_leap_second_is_the_next_second_when_read(leap_second: str, next_second: str) -> None:
    assert epoch_ms(leap_second) == epoch_ms(next_second)


def test_year_0000_is_a_leap_year_before_the_year_1() -> None:
    days = [epoch_ms(f"{day}T00:00:00z") for day in ("0000-02-28", "0000-02-29", "0000-03-01", "0001-01-01")]
    assert days == [-62_162_208_000_000, -62_162_121_600_000, -62_162_035_200_000, -62_135_596_800_000]


@pytest.mark.parametrize("name", FORMATS)
def test_format_is_checked_in_linear_time_when_a_text_is_hostile(name: str) -> None:
    length = 200_000
    parts = ("a", ".", "@", "a.", '"', '\\"', "a@", ":", "::", "[", "%", "%41", "/", "1:", "0", "2026-06-14T12:00:00.0")
    started = time.monotonic()
    for start in ("", "a:", "a@", "http://[", '"', "2026-06-14T12:00:00."):
        for part in parts:
            FORMATS[name](start + part * (length // len(part)))
    assert time.monotonic() - started < 20


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
