"""How a server runs when nobody says otherwise, and the URL it is reached at."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mockserver.settings import DEFAULT_PORT, Settings, server_address, url_of


def test_defaults_listen_on_loopback_and_only_warn_about_rates() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.rate_limits) == ("127.0.0.1", 8207, "warn")
    assert (settings.admin_token, settings.allowed_hosts, dict(settings.revisions)) == (None, (), {})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8207"),
        ("0.0.0.0", "http://127.0.0.1:8207"),
        ("", "http://127.0.0.1:8207"),
        ("::", "http://[::1]:8207"),
        ("::1", "http://[::1]:8207"),
        ("fe80::1", "http://[fe80::1]:8207"),
        ("mock.internal", "http://mock.internal:8207"),
    ],
)
def test_url_is_one_that_this_machine_can_reach(host: str, url: str) -> None:
    assert url_of(host, DEFAULT_PORT) == url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("127.0.0.1:8207", ("http", "127.0.0.1", 8207, "")),
        ("localhost", ("http", "localhost", 80, "")),
        ("mockserver:8207/", ("http", "mockserver", 8207, "")),
        ("HTTPS://Example.test/prefix/", ("https", "example.test", 443, "/prefix")),
        ("//[::1]:8207", ("http", "::1", 8207, "")),
        ("http://127.0.0.1:8207//", ("http", "127.0.0.1", 8207, "")),
    ],
)
def test_address_is_read_from_every_usual_form(url: str, parts: tuple[str, str, int, str]) -> None:
    address = server_address(url)
    assert address == parts
    assert server_address(address.url) == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no host"),
        ("http://", "no host"),
        ("8207", "write 127.0.0.1:8207"),
        ("ws://127.0.0.1", "http or https"),
        ("http:127.0.0.1", "// is missing"),
        ("a b", "space"),
        ("127.0.0.1:0", "port 0"),
        ("127.0.0.1:x", "Port could not be cast"),
        ("[::1", "Invalid IPv6 URL"),
        ("user:hunter2@127.0.0.1", "credentials"),
        ("127.0.0.1/?a", "query"),
        ("127.0.0.1#a", "fragment"),
        ("127.0.0.1/_mock/s/a", "without /_mock/s/a"),
    ],
)
def test_address_that_cannot_be_used_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        server_address(url)
    assert "expected a URL such as http://127.0.0.1:8207" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_address_may_select_a_session_where_no_control_call_is_made() -> None:
    assert server_address("127.0.0.1:8207/_mock/s/a", session=True).path == "/_mock/s/a"


def test_health_probe_loads_nothing_heavy_with_the_settings() -> None:
    code = (
        "import sys, mockserver.settings; print([name for name in ('dataclasses', 'inspect') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout == "[]\n"
