"""The guards of the control surface, without a socket: what the headers of a request say of where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from multidict import CIMultiDict

from mockserver.errors import SettingsError
from mockserver.server.guards import Guard, is_browser, origin
from mockserver.settings import LONGEST_TOKEN, Settings

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
JSDOM = "Mozilla/5.0 (linux) AppleWebKit/537.36 (KHTML, like Gecko) jsdom/27.0.0"
PAGE = "http://localhost:5173"

Headers = tuple[tuple[str, str], ...]


def refused(*headers: tuple[str, str], target: str = "/_mock/sessions", **settings: object) -> tuple[int, str]:
    """Return with which status and reason a request is refused; 0 if it is not."""
    guard = Guard(Settings(**settings))  # type: ignore[arg-type]
    return guard.problem(CIMultiDict(headers), target) or (0, "")


BROWSERS: tuple[Headers, ...] = (
    (("User-Agent", FIREFOX),),
    (("User-Agent", JSDOM),),
    (("User-Agent", FIREFOX.lower()),),
    (("Origin", "http://mock"),),
    (("Origin", "null"),),
    (("Origin", ""),),
    (("Sec-Fetch-Mode", "cors"),),
    (("Sec-Fetch-Dest", "empty"),),
    (("sec-fetch-site", "same-origin"),),
    (("Sec-Fetch-Site", "none"),),
    (("SEC-FETCH-USER", "?1"),),
    (("Sec-Fetch-Something-New", "x"),),
    (("User-Agent", FIREFOX), ("Sec-Fetch-Mode", "cors"), ("Accept-Language", "*")),
    (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Accept-Language", "*")),
    (("Sec-Fetch-Mode", "cors"), ("Accept-Language", "en")),
)
OTHERS: tuple[Headers, ...] = (
    (),
    (("User-Agent", "curl/8.14.1"),),
    (("User-Agent", "python-requests/2.32"), ("Accept-Language", "en")),
    (("User-Agent", "node"), ("Sec-Fetch-Mode", "cors"), ("Accept-Language", "*")),
    (("User-Agent", "my-sdk/1"), ("Sec-Fetch-Mode", "cors"), ("Accept-Language", "*")),
)
"""The last two are what the `fetch` of Node 20 sends, with its own user agent and with another."""


@pytest.mark.parametrize("headers", BROWSERS)
@pytest.mark.parametrize("host", ["mock", "mock:8207", "MOCK", "mock_server", "2130706433"])
def test_browser_needs_a_flag_for_a_name_without_a_dot(headers: Headers, host: str) -> None:
    name = host.lower().removesuffix(":8207")
    status, why = refused(("Host", host), *headers)
    assert (status, f"add it with --allowed-host {name}" in why) == (421, True)
    assert is_browser(CIMultiDict(headers))
    own = [pair for pair in headers if pair[0] != "Origin"]
    assert refused(("Host", host), *own, allowed_hosts=(name,)) == (0, "")


@pytest.mark.parametrize("headers", OTHERS)
@pytest.mark.parametrize("host", ["mock", "mock:8207", "MOCK", "mock_server"])
def test_service_name_needs_no_flag_when_no_browser_uses_it(headers: Headers, host: str) -> None:
    assert refused(("Host", host), *headers) == (0, "")
    assert refused(("Host", "mock.default.svc"), *headers)[0] == 421


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8207",
        "localhost:",
        "app.localhost",
        "127.0.0.1:1",
        "192.168.1.5",
        "[::1]",
        "[::1]:8207",
        "[fe80::1%25eth0]:1",
        "[::ffff:127.0.0.1]",
        "host.docker.internal:8207",
    ],
)
def test_local_names_and_addresses_are_open_to_browsers(host: str) -> None:
    assert refused(("Host", host), ("User-Agent", FIREFOX), ("Sec-Fetch-Site", "none")) == (0, "")


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ".",
        "localhost.",
        "127.0.0.1.",
        "127.1",
        "127.0.0.01",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xlocalhost.example",
        "user@localhost",
        "evil.example@localhost",
        "localhost/x",
        "localhost?x",
        "localhost#x",
        "localhost:x",
        "localhost:-1",
        "localhost:0",
        "localhost:65536",
        "localhost:123456",
        "localhost:\u0661",
        "localhost:1:2",
        "localhost localhost",
        "localhost, evil.example",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[x]",
        "[::1]evil.example",
        "evil.example[::1]",
        "[localhost]",
        "http://localhost",
        "loc\u00e4lhost",
        "\udcff",
    ],
)
def test_odd_host_is_misdirected(host: str) -> None:
    status, why = refused(("Host", host))
    assert status == 421
    assert why.isprintable()


def test_missing_host_is_misdirected() -> None:
    assert refused() == (421, "the request has no Host header")


@pytest.mark.parametrize(
    ("hosts", "target", "status"),
    [
        (["localhost"], "http://localhost/_mock/", 0),
        (["localhost"], "http://LOCALHOST:80/_mock/", 0),
        (["localhost:8207"], "http://localhost:8207/_mock/?x=http://evil.example/", 0),
        (["localhost"], "/_mock/?x=http://evil.example/", 0),
        (["localhost"], "http://evil.example/_mock/", 421),
        (["evil.example"], "http://localhost/_mock/", 421),
        (["localhost"], "http://localhost:1/_mock/", 421),
        (["localhost"], "http://127.0.0.1/_mock/", 421),
        (["localhost"], "http://user@localhost/_mock/", 421),
        (["evil.example"], "http://evil.example/_mock/", 421),
        (["localhost", "localhost"], "/_mock/", 0),
        (["localhost", "evil.example"], "/_mock/", 421),
        (["localhost", ""], "/_mock/", 421),
    ],
)
def test_every_name_of_a_request_counts(hosts: list[str], target: str, status: int) -> None:
    assert refused(*(("Host", host) for host in hosts), target=target)[0] == status


@pytest.mark.parametrize(
    ("sent", "host", "secure", "status"),
    [
        ("http://localhost", "localhost", False, 0),
        ("http://localhost", "localhost:80", False, 0),
        ("http://localhost:8207", "LOCALHOST:8207", False, 0),
        ("HTTP://Localhost:8207", "localhost:8207", False, 0),
        ("http://[::1]:8207", "[::1]:8207", False, 0),
        ("https://localhost:8207", "localhost:8207", True, 0),
        ("https://localhost", "localhost:443", True, 0),
        ("https://localhost:8207", "localhost:8207", False, 403),
        ("http://localhost:8207", "localhost:8207", True, 403),
        ("https://localhost", "localhost", False, 403),
        ("http://localhost", "localhost:443", True, 403),
        ("ws://localhost:8207", "localhost:8207", False, 403),
        ("localhost:8207", "localhost:8207", False, 403),
        ("//localhost:8207", "localhost:8207", False, 403),
        ("://localhost:8207", "localhost:8207", False, 403),
        ("http://localhost:8208", "localhost:8207", False, 403),
        ("http://127.0.0.1:8207", "localhost:8207", False, 403),
        ("http://localhost:8207/", "localhost:8207", False, 403),
        ("http://user@localhost:8207", "localhost:8207", False, 403),
        ("http://localhost:", "localhost:", False, 403),
        ("null", "localhost:8207", False, 403),
        ("", "localhost:8207", False, 403),
    ],
)
def test_origin_is_the_own_one_only_with_its_scheme_host_and_port(
    sent: str, host: str, secure: bool, status: int
) -> None:
    certificate = Path("cert.pem") if secure else None
    assert refused(("Host", host), ("Origin", sent), tls_cert=certificate)[0] == status


def test_second_origin_does_not_pass_behind_the_own_one() -> None:
    both = (("Origin", "http://localhost"), ("Origin", "http://evil.example"))
    for pair in (both, both[::-1]):
        assert refused(("Host", "localhost"), *pair)[0] == 403


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (PAGE, 0),
        (PAGE.upper(), 0),
        ("https://app.example", 0),
        ("https://app.example:443", 0),
        ("https://localhost:5173", 403),
        ("http://localhost:5174", 403),
        ("http://app.example", 403),
        ("https://app.example:80", 403),
        ("https://app.example.", 403),
        ("null", 403),
    ],
)
def test_allowed_origin_is_compared_by_scheme_host_and_port(sent: str, status: int) -> None:
    guard = Guard(Settings(allowed_origins=(PAGE, "https://App.example:443")))
    headers = CIMultiDict([("Host", "localhost"), ("Origin", sent), ("Sec-Fetch-Site", "cross-site")])
    assert (guard.problem(headers, "/") or (0,))[0] == status
    allowed = {"Access-Control-Allow-Origin": sent} if status == 0 else {}
    assert guard.cors(headers) == {"Vary": "Origin", **allowed}


@pytest.mark.parametrize(
    ("site", "status"),
    [
        ("none", 0),
        ("same-origin", 0),
        ("same-site", 403),
        ("cross-site", 403),
        ("Cross-Site", 403),
        ("", 403),
        ("new-site", 403),
    ],
)
def test_site_of_a_page_is_this_server_or_refused(site: str, status: int) -> None:
    assert refused(("Host", "localhost"), ("Sec-Fetch-Site", site))[0] == status
    assert refused(("Host", "localhost"), ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", site))[0] == status


@pytest.mark.parametrize("text", ["null", "", "http://", "http://a b", "ftp://a", "http://a:0", "http://a:b", "a"])
def test_origin_that_is_none_equals_no_other(text: str) -> None:
    assert origin(text) is None


@pytest.mark.parametrize("name", ["mock.example", "MOCK.example", "mock", "10.0.0.1", "::1", "[::1]", "a_b.example"])
def test_allowed_host_is_a_name(name: str) -> None:
    wanted = f"[{name}]" if name == "::1" else name
    assert refused(("Host", f"{wanted}:1"), ("User-Agent", FIREFOX), allowed_hosts=(name,)) == (0, "")


@pytest.mark.parametrize(
    "name", ["", "http://mock.example", "mock.example:8207", "[::1]:1", "*.example", "a b", "m\u00f6ck"]
)
def test_allowed_host_that_no_request_can_name_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"--allowed-host {re.escape(repr(name))}: write the name alone"):
        Guard(Settings(allowed_hosts=(name,)))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_token_of_a_file_is_without_the_newline_that_ends_it(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(f"s3cret t\u00f6ken{ending}".encode())
    guard = Guard(Settings(admin_token_file=file))
    file.unlink()
    assert guard.token == "s3cret t\u00f6ken" == Guard(Settings(admin_token=f"s3cret t\u00f6ken{ending}")).token
    for sent, problem in (
        ("Bearer s3cret t\u00f6ken", None),
        ("Bearer s3cret token", "a wrong bearer token"),
        ("Bearer s3cret t\udcf6ken", "a wrong bearer token"),
        ("Bearer", "no bearer token"),
        ("Basic s3cret", "no bearer token"),
        ("", "no bearer token"),
    ):
        assert guard.token_problem(CIMultiDict(Authorization=sent)) == problem
    assert guard.token_problem(CIMultiDict()) == "no bearer token"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "must not be empty"),
        (b"\n", "must not be empty"),
        (b" \r\n", "must not be empty"),
        (b"secret\xff", "is not valid UTF-8"),
        (b"\xff\xfes\x00e\x00", "is not valid UTF-8"),
        (b"secret\n\n", "has the character U+000A at position 7"),
        (b"sec\nret", "U+000A at position 4"),
        (b"secret\r", "U+000D at position 7"),
        (b"sec\tret", "U+0009 at position 4"),
        (b"secret\x00", "U+0000"),
        (b"\xef\xbb\xbfsecret", "U+FEFF at position 1"),
        (b"secret\xc2\xa0", "U+00A0"),
        (b" secret", "begins or ends with a space"),
        (b"secret ", "begins or ends with a space"),
        (b"s" * (LONGEST_TOKEN + 1), "is longer than 4096 bytes"),
        (b"s" * 10 * LONGEST_TOKEN, "is longer than 4096 bytes"),
    ],
)
def test_token_that_no_header_can_carry_is_refused_at_the_start(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    for settings in (
        Settings(admin_token_file=file),
        Settings(admin_token=content.decode("utf-8", "surrogateescape")),
    ):
        with pytest.raises(SettingsError, match=f"the admin token {re.escape(why)}|{re.escape(why)}") as error:
            Guard(settings)
        assert "secret" not in str(error.value)
        assert "the admin token" in str(error.value)


def test_longest_token_fits_with_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"s" * LONGEST_TOKEN + b"\r\n")
    assert Guard(Settings(admin_token_file=file)).token == "s" * LONGEST_TOKEN


def test_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "missing", tmp_path):
        with pytest.raises(SettingsError, match=f"cannot read the admin token file {re.escape(str(file))}: "):
            Guard(Settings(admin_token_file=file))


def test_token_and_file_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--admin-token and --admin-token-file exclude each other"):
        Guard(Settings(admin_token="a", admin_token_file=tmp_path / "token"))
