"""How a server runs when nobody says otherwise, and the URL it is reached at."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mockserver.settings import DEFAULT_PORT, Settings, url_of


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


def test_health_probe_loads_nothing_heavy_with_the_settings() -> None:
    code = (
        "import sys, mockserver.settings; print([name for name in ('dataclasses', 'inspect') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout == "[]\n"
