"""Credentials are found wherever and however they stand, and ordinary data stays as it is."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.recording.redaction import encoded_text, word_search
from mockserver.recording.redaction.find_secrets import key_prefixes, secrets_of
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.secret_names import PLACEHOLDER, is_random, is_secret_name
from mockserver.recording.redaction.word_search import PIECE
from tests.judging import COLLECT, collection, contract_of, sale, wire_request

WHISPERR = contract_of("whisperr")
SECRET = 'wrk_a"b/c é'


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        SECRET.replace('"', '\\"'),
        SECRET.replace("/", "\\/"),
        "wrk_a%22b%2Fc%20%c3%A9",
        "".join(f"\\u{ord(character):04x}" for character in SECRET),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_secret_is_replaced_however_it_is_spelt(spelt: str) -> None:
    assert Redactor([SECRET]).text(f"key={spelt}&x") == f"key={PLACEHOLDER}&x"


def test_longest_secret_is_replaced_first() -> None:
    scrub = Redactor(["tk_a", "tk_a_long", ""])
    assert scrub.text("tk_a_long tk_a") == f"{PLACEHOLDER} {PLACEHOLDER}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", PLACEHOLDER), ("key=abc.", f"key={PLACEHOLDER}."), ("xabc", "xabc"), ("abc1", "abc1")],
)
def test_short_secret_is_replaced_only_where_it_stands_alone(text: str, expected: str) -> None:
    assert Redactor(["abc"]).text(text) == expected


def test_secret_of_four_characters_is_replaced_anywhere() -> None:
    assert Redactor(["abcd"]).text("xabcd1") == f"x{PLACEHOLDER}1"


def test_nothing_is_replaced_without_secrets() -> None:
    assert Redactor(["", ""]).text("anything") == "anything"


def test_character_outside_the_basic_plane_is_found_as_two_escapes() -> None:
    assert Redactor(["key-🔑-x"]).text("key-\\ud83d\\udd11-x") == PLACEHOLDER


def test_texts_and_names_of_a_value_are_replaced() -> None:
    value: Any = {"tk_accepted": ["tk_accepted", 1, None], "a": {"auth": ["google", 5], "b": "google"}}
    shown = {PLACEHOLDER: [PLACEHOLDER, 1, None], "a": {"auth": [PLACEHOLDER, 5], "b": "google"}}
    assert Redactor(["tk_accepted"]).json(value) == shown


def test_secrets_are_all_credentials_a_request_carries() -> None:
    headers = {"X-API-Key": "wrk_a", "Authorization": "Bearer wrk_b"}
    kept = wire_request("/v1/nowhere", b"", headers)
    assert secrets_of(kept, WHISPERR) == {"wrk_a", "wrk_b"}
    assert secrets_of(wire_request(COLLECT, collection(sale())), contract_of("tally")) == {"tk_one"}


@pytest.mark.parametrize("path", ["/api/i/v1/abcdefgh/event", "/api/i/v1/abcdefgh", "/api/i/v1/a%62cdefgh/x?y"])
def test_segment_where_a_served_path_has_a_key_is_a_secret_though_it_is_a_plain_word(path: str) -> None:
    assert secrets_of(wire_request(path), contract_of("outlit")) == {"abcdefgh"}


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc:"])
@pytest.mark.parametrize("after", ["", ":", "??>", "xyz"])
def test_secret_in_base64_is_hidden_with_what_is_around_it(encode: Any, before: str, after: str) -> None:
    encoded = encode((before + "pk_live_S3CRET?>" + after).encode()).decode()
    assert Redactor(["pk_live_S3CRET?>"]).text(f"Basic {encoded}; x") == f"Basic {PLACEHOLDER}; x"


@pytest.mark.parametrize("spelt", ["%2541BC~1d%252fe", "A%42C/d%25252Fe", "\\\\u0041BC/d\\\\/e"])
def test_secret_is_hidden_however_often_it_is_escaped(spelt: str) -> None:
    assert Redactor(["ABC/d/e"]).text(f"<{spelt}>") == f"<{PLACEHOLDER}>"


@pytest.mark.parametrize(
    "text",
    [
        "projectKey=S&x=1",
        "x=1&project_key=S",
        '{"apiKey": "S", "events": [',
        "{'token': 'S',",
        '{\\"secret\\":\\"S\\"}',
        "Api-Key: S",
        'name="api_key"\r\n\r\nS\r\n--',
        "<writeKey>S</writeKey>",
        "password = S",
        "access-token%3DS",
        "authorization: Bearer S",
        "İİ API_KEY=S",
        "api%5Fkey=S",
        '{"\\u0061pi\\u005fkey":"S"',
        '{"X-Api-Key":["S"',
        '{"auth":{"value":"S"',
        '[{"name":"X-Api-Key","value":"S"}',
        "<apiKey a='b'><![CDATA[S]]></apiKey>",
        'name="api_key"\r\nContent-Type: text/plain\r\n\r\nS\r\n--',
    ],
)
def test_value_of_a_secret_name_is_hidden_in_text_of_any_kind(text: str) -> None:
    assert Redactor([]).loose_text(text) == text.replace("S", PLACEHOLDER, 1) if "Secret" not in text else True
    assert "S" not in Redactor([]).loose_text(text).replace(PLACEHOLDER, "")


@pytest.mark.parametrize(
    "text",
    [
        '{"monkey":"banana","keyword":"shoes","author":"ann","keyboard":"qwerty"}',
        '{"token":5,"key":true,"secret":null,"signature":-1.5e3}',
        '{"idempotencyKey":"a-b-c"}',
        "Monday: turkey, key facts",
        '{"tags":["auth","token"],"list":[{"name":"plan","value":"pro"}]}',
        "see https://a.example:8080/p?mail=a@b.example and basic information",
        '{"url":"https://a.example/?page=2","type":"pageview","timestamp":1781438400250}',
    ],
)
def test_ordinary_data_stays_as_it_is(text: str) -> None:
    redactor = Redactor(["wrk_secret_1", "x"], ["pk_", "wrk_"])
    assert redactor.loose_text(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *[
            (name, True)
            for name in ("key", "X-Project-Key", "project_key", "projectKey", "apikey", "APIKey", "auth-token")
        ],
        *[(name, True) for name in ("apiKey2", "api_key_value", "xApiKeyHeader", "sessiontoken", "secretkey", "sig")],
        *[(name, True) for name in ("apisecretkey", "refreshtoken", "passphrase", "x-ms-sig", "Set-Cookie")],
        *[(name, False) for name in ("design", "keys_pressed", "turkey2", "token_count", "keyValue2x", "signal")],
        *[(name, True) for name in ("Cookie", "clientSecret", "password", "jwt", "credentials", "Authorization")],
        *[(name, False) for name in ("monkey", "keyword", "author", "Idempotency-Key", "tokenize", "type", "")],
    ],
)
def test_names_that_say_that_a_value_is_secret(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize("text", ['"token":"a\\"Sb\\nSc",', "?token=a,Sb;Sc", "api_key: a{Sb", "'secret': 'a\"Sb'"])
def test_value_is_hidden_to_its_end(text: str) -> None:
    assert "S" not in Redactor([]).loose_text(text)


def test_header_and_its_value_as_members_and_as_a_pair_are_hidden() -> None:
    redactor = Redactor([])
    assert redactor.json([{"name": "X-Api-Key", "value": "short", "id": "a"}, ["Api-Key", "short"]]) == [
        {"name": "X-Api-Key", "value": PLACEHOLDER, "id": "a"},
        ["Api-Key", PLACEHOLDER],
    ]
    plain = [{"name": "plan", "value": "pro"}, ["auth", "token"], ["Api-Key", "a", "b"]]
    assert redactor.json(plain) == plain


@pytest.mark.parametrize("repeated", ["eyJ", "--", "://", "A1b2"])
def test_text_that_repeats_a_beginning_is_searched_once(repeated: str) -> None:
    text = repeated * 350_000  # a search from each beginning to the end would take minutes
    assert Redactor([]).loose_text(text) == text


def test_text_that_begins_like_a_key_of_the_contract_is_hidden() -> None:
    assert key_prefixes(contract_of("outlit")) == {"pk_"}
    assert Redactor([], {"pk_"}).text("see pk_other9, spk_x and pk_") == f"see {PLACEHOLDER}, spk_x and pk_"


def test_time_does_not_grow_with_the_number_of_secrets_or_their_length() -> None:
    """One expression of all secrets took minutes for each of these."""
    many, long = [f"pk_live_{number:040}" for number in range(20_000)], "x" * 400_000
    text = json.dumps({"keys": many, "long": long})
    shown = Redactor([*many, long]).text(text)
    assert shown.count(PLACEHOLDER) == 20_001
    assert Redactor(["a" * 100_000]).text("a" * 99_999 + "b c") == f"{PLACEHOLDER} c"
    assert len(Redactor([]).loose_text("key" * 300_000 + "key " * 200_000 + "key" + " " * 300_000)) == 2_000_003


@pytest.mark.parametrize(
    "text",
    [
        "/api/i/v1/<credential>/events",
        '["<credential>","<credential>","a"]',
        "key=<credential>&a=b",
        "a <credential> b",
    ],
)
def test_text_that_is_hidden_already_stays_as_it_is(text: str) -> None:
    assert Redactor(["pk_a"], ["pk_"]).loose_text(text) == text


def test_element_that_is_named_like_a_placeholder_is_hidden() -> None:
    assert Redactor([]).loose_text("<credential>S3</credential>") == f"<credential>{PLACEHOLDER}</credential>"


@pytest.mark.parametrize("value", ["\xff", "Basic \xff", "Basic a", "Basic /w==", "Basic", ""])
def test_authorization_that_is_not_base64_is_searched_too(value: str) -> None:
    headers = {"Authorization": value, "X-API-Key": "wrk_a"}
    assert "wrk_a" in secrets_of(wire_request("/v1/events/batch", b"{}", headers), WHISPERR)


PARTS = st.sampled_from(
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(json.dumps(SECRET)),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        b64encode(f"user:{SECRET}".encode()).decode(),
        "k" * 40 + "ey=" + "v" * 50,
        "api_secret_token: tokens",
        "rec_live_key",
        "L" * 600,
        "\\" * 45 + "u0041",
        "~1",
        "%",
        " ",
        "é\ud800🔑",
    ]
)


@given(st.lists(st.one_of(PARTS, st.text(max_size=40)), max_size=12).map("".join))
def test_same_is_hidden_however_small_the_pieces_are_that_are_searched(text: str) -> None:
    redactor = Redactor([SECRET, "L" * 400], ["rec_"])
    hidden = redactor.loose_text(text)
    with pytest.MonkeyPatch.context() as patched:
        for module in (encoded_text, word_search):
            patched.setattr(module, "PIECE", 128)
        assert redactor.loose_text(text) == hidden


@pytest.mark.parametrize(
    "spelt", [SECRET, json.dumps(json.dumps(SECRET)[1:-1])[1:-1], "".join(f"%{byte:02X}" for byte in SECRET.encode())]
)
def test_secret_is_hidden_where_a_piece_ends_in_it(spelt: str) -> None:
    redactor = Redactor([SECRET])
    for before in range(PIECE - len(spelt), PIECE + 1):
        assert redactor.text("." * before + spelt) == "." * before + PLACEHOLDER


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", '\\"{}\\"'])
def test_value_of_a_secret_name_is_hidden_however_long_it_is(quoted: str) -> None:
    text = Redactor([]).loose_text(f"api_key: {quoted.format('v' * 1_000_000)}, plan: pro")
    assert text == f"api_key: {quoted.format(PLACEHOLDER)}, plan: pro"


def test_name_of_any_length_says_that_a_value_is_secret() -> None:
    assert is_secret_name("x" * 1_000_000 + "_token")
    assert not is_secret_name("token_" + "x" * 1_000_000)


def test_value_of_any_length_is_no_plain_word() -> None:
    assert is_random("x" * 1_000_000)
    assert not is_random("x" * 20)
