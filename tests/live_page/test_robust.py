"""The live page where it is easily broken: by keyboard, while things change, at odd addresses, in odd windows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.live_page.harness import PICTURES, Api, Browser, Page, pageview
from tests.processes import ServerProcess, served

NARROW = {"width": 390, "height": 844}
LIVE = "() => document.querySelector('#state').className === 'live'"
OPEN = "() => document.querySelector('#login').open"
TOKEN = "MOCKSERVER_SERVE_ADMIN_TOKEN"


def show(page: Page, api: Api, key: str, rest: str = "") -> None:
    page.go(f"{api.url}/_mock/ui/#/session/{key}{rest}")
    page.wait_for(LIVE)


def test_focus_stays_where_it_is_when_lists_are_drawn_anew(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key)
    page.wait_for_rows(1)
    page.call("focus", "#views [data-key=deliveries]")
    page.press("Enter")
    page.wait_for("() => document.querySelectorAll('.lane').length === 1")
    page.wait_for_focus("#views [data-key=deliveries]")
    page.call("focus", "#sessions [aria-current]")
    api.outlit(key, pageview(2))
    page.wait_for("() => document.querySelector('#sessions [aria-current]').innerText.includes('2 requests')")
    page.wait_for_focus("#sessions [aria-current]")


def test_deliveries_follow_what_arrives_and_keep_the_focus(page: Page, api: Api, key: str) -> None:
    show(page, api, key, "/deliveries")
    page.wait_for_text("No event has arrived in this session.")
    api.outlit(key, pageview(1))
    page.wait_for("() => document.querySelectorAll('.lane').length === 1")
    page.call("focus", ".lane a")
    for number in range(2, 5):
        api.outlit(key, pageview(number))
    page.wait_for("() => document.querySelectorAll('.lane').length === 4")
    page.wait_for_focus(".lane a")


def test_more_deliveries_than_a_page_can_be_shown(page: Page, api: Api, key: str) -> None:
    api.outlit(key, *[pageview(number) for number in range(120)])
    show(page, api, key, "/deliveries")
    page.wait_for_text("The first 100 deliveries.")
    page.call("focus", "[data-key=more]")
    page.press("Enter")
    page.wait_for_text("120 deliveries.")
    assert page.call("evaluate", "document.activeElement.closest('#view') !== null") is True


def test_deliveries_that_come_late_do_not_replace_another_view(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key)
    page.call("evaluate", "document.querySelector('[data-key=deliveries]').click()")
    page.call("evaluate", "document.querySelector('[data-key=control]').click()")
    page.wait_for("() => document.querySelector('#clock-title + dl')?.childElementCount > 0")
    page.call("evaluate", "fetch(`/_mock/sessions/x/deliveries`).then(() => null)")
    assert page.texts(".lanes") == []
    assert page.texts("#faults-title") == ["Faults"]


def test_focus_goes_along_where_the_list_is_hidden(page: Page, api: Api, key: str) -> None:
    page.call("setViewportSize", NARROW)
    api.outlit(key, pageview(1))
    api.outlit(key, pageview(2))
    show(page, api, key)
    page.wait_for_rows(2)
    page.click(".row")
    page.wait_for_focus("#detail h2")
    page.press("j")
    page.wait_for("() => document.querySelector('#detail .json')?.innerText.includes('/p1')")
    page.wait_for_focus("#detail h2")
    page.call("goBack")
    page.wait_for_focus("#list")
    page.call("goForward")
    page.wait_for_focus("#detail h2")
    page.click("#close")
    page.wait_for_focus("#list")


def test_keys_of_the_list_do_nothing_in_other_views(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "/control")
    page.wait_for("() => document.querySelector('#faults-title') !== null")
    address = page.call("url")
    for pressed in ("j", "p", "/", "Escape"):
        page.press(pressed)
    assert page.call("url") == address
    assert page.call("getAttribute", "#pause", "aria-pressed") == "false"
    page.press("?")
    page.wait_for("() => document.querySelector('#help').open")
    page.press("/")
    page.press("Escape")
    page.wait_for("() => !document.querySelector('#help').open")


def test_escape_in_a_field_keeps_the_request_open(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "?request=r1")
    page.wait_for("() => document.querySelector('#detail .json') !== null")
    page.call("focus", "#filter-text")
    page.press("Escape")
    page.wait_for_focus("#filter-text")
    assert page.call("evaluate", "document.querySelector('#detail').hidden") is False


@pytest.mark.parametrize(
    "address",
    [
        "#/session/%E0%A4%A",
        "#/session//control?verdict=nonsense",
        "#?request=r1",
        "#/session/../control",
        "#/session/x/nonsense/deeper?request=%00&of=%2e%2e",
        "#/session/x?verdict=__proto__&protocol=constructor&type=%ED%A0%80",
        "#/%?%&=&&",
    ],
)
def test_nonsense_in_an_address_does_no_harm(page: Page, api: Api, address: str) -> None:
    page.go(f"{api.url}/_mock/ui/{address}")
    page.wait_for(LIVE)
    page.wait_for("() => document.querySelector('nav [aria-current]') !== null")
    assert page.call("evaluate", "document.querySelector('#filter-verdict').selectedIndex") == 0
    assert [text for text in page.problems() if "404" not in text] == []


def test_filters_that_nothing_fits_can_be_cleared(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "?text=nothing-has-this&verdict=accepted")
    page.wait_for_text("No request fits the filters.")
    assert page.call("axe")["violations"] == []
    page.click("#clear")
    page.wait_for_rows(1)
    page.wait_for_focus("#filter-text")
    assert page.call("inputValue", "#filter-text") == ""


def test_what_others_change_is_shown(page: Page, api: Api, key: str) -> None:
    show(page, api, key, "/control")
    page.wait_for_text("There are no steps.")
    page.call("fill", "#clock-moment", "2026-")
    api.send("PUT", f"/_mock/sessions/{key}/faults", [{"times": 1, "reply": {"status": 503}}])
    page.wait_for_text("1 left")
    api.outlit(key, pageview(1))
    page.wait_for_text("used up")
    api.send("PUT", f"/_mock/sessions/{key}/clock", {"now": "2031-06-14T12:00:00Z", "frozen": True})
    page.wait_for_text("2031-06-14T12:00:00.000Z (frozen)")
    page.click("button:text-is('Let it run')")
    page.wait_for_text("The clock runs.")
    assert api.send("GET", f"/_mock/sessions/{key}/clock")[1]["now"] >= "2031-06-14T12:00:00"
    page.click("button:text-is('Freeze')")
    page.wait_for_text("The clock is frozen.")
    assert api.send("GET", f"/_mock/sessions/{key}/clock")[1]["now"].startswith("2031-06-14T12:0")
    assert page.call("inputValue", "#clock-moment") == "2026-"


@pytest.mark.parametrize("command", ["works", "refused"])
def test_text_is_copied_where_the_browser_gives_no_clipboard(page: Page, api: Api, key: str, command: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "?request=r1")
    page.wait_for("() => document.querySelector('#detail .json') !== null")
    page.call("evaluate", "Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    if command == "refused":
        page.call("evaluate", "document.execCommand = () => false")
    page.click("button:text-is('Copy address')")
    if command == "refused":
        page.wait_for_focus(".actions textarea")
        assert page.call("inputValue", ".actions textarea") == page.call("url")
        return
    page.wait_for_text("Copied address.")
    page.call("focus", "#filter-type")
    address = page.call("url")
    page.press("Control+v")
    assert page.call("inputValue", "#filter-type") == address


def test_copied_curl_goes_to_a_session_with_a_short_name(page: Page, api: Api) -> None:
    body = {"visitorId": "v", "events": [pageview(1)]}
    api.send("POST", "/_mock/s/api/api/i/v1/pk_of_no_session/events", body)
    show(page, api, "api", "?request=r1")
    page.wait_for("() => document.querySelector('#detail .json') !== null")
    command = page.copied("Copy as curl")
    subprocess.run(["bash"], input=command, capture_output=True, text=True, check=True)
    page.wait_for_rows(2)
    assert api.verdicts("api") == ["accepted", "accepted"]


def test_requests_that_are_no_longer_kept_are_said(page: Page) -> None:
    with served("--journal-limit", "2") as server:
        api = Api(url=server.url)
        api.outlit("pk_x", pageview(0))
        show(page, api, "pk_x")
        page.wait_for_rows(1)
        for number in range(1, 4):
            api.outlit("pk_x", pageview(number))
            page.wait_for_rows(number + 1)
        page.call("focus", "#list")
        page.press("End")
        page.wait_for_text("The request cannot be shown: session pk_x has no request r1")
        page.press("Home")
        page.wait_for("() => document.querySelector('#detail .json')?.innerText.includes('/p3')")


def test_batches_of_any_size_can_be_read(page: Page, api: Api, key: str) -> None:
    bad = {"type": "nope"}
    for refused in (1, 250, 500):
        events = [bad if number < refused else pageview(number) for number in range(500)]
        api.outlit(key, *events)
    api.outlit(key, *[pageview(number, title="x" * 39_000) for number in range(100)])
    show(page, api, key)
    page.wait_for_rows(4)
    page.call("focus", "#list")
    page.press("End")
    page.wait_for("() => document.querySelectorAll('details.event').length === 500")
    page.press("Home")
    page.wait_for("() => document.querySelector('#detail .finding')?.innerText.includes('the body is longer')")
    assert page.problems() == []


def test_session_that_is_deleted_while_it_is_shown_leaves_its_view(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "/deliveries")
    page.wait_for("() => document.querySelectorAll('.lane').length === 1")
    api.send("DELETE", f"/_mock/sessions/{key}")
    page.wait_for_text("No event has arrived in this session.")
    assert page.problems() == []


HIDE = (
    'Object.defineProperty(document, "hidden", {{ value: {}, configurable: true }}),'
    ' document.dispatchEvent(new Event("visibilitychange"))'
)


def test_page_that_nobody_sees_has_no_connection_and_misses_nothing(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key)
    page.wait_for_rows(1)
    page.call("evaluate", HIDE.format("true"))
    api.outlit(key, pageview(2))
    assert page.texts("#count") == ["1 request"]
    page.call("evaluate", HIDE.format("false"))
    page.wait_for_rows(2)
    api.outlit(key, pageview(3))
    page.wait_for_rows(3)
    assert page.texts("#state") == ["live"]


@pytest.mark.parametrize(("width", "height"), [(320, 256), (640, 400), (320, 568)], ids=["400%", "200%", "phone"])
def test_list_is_usable_when_the_page_is_enlarged(page: Page, api: Api, key: str, width: int, height: int) -> None:
    for number in range(20):
        api.outlit(key, pageview(number))
    page.call("setViewportSize", {"width": width, "height": height})
    show(page, api, key)
    page.wait_for_rows(20)
    page.wait_for("() => document.querySelector('#list').clientHeight >= 200")
    assert page.call("evaluate", "document.documentElement.scrollWidth <= innerWidth") is True
    page.call("evaluate", "document.querySelector('#list').scrollIntoView()")
    page.call("screenshot", {"path": str(PICTURES / f"enlarged-{width}-{height}.png")})
    page.click(".row")
    page.wait_for_focus("#detail h2")
    page.call("screenshot", {"path": str(PICTURES / f"enlarged-request-{width}-{height}.png")})


def test_selection_is_seen_with_forced_colours(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1), {"type": "nope"})
    api.outlit(key, pageview(2))
    page.call("emulateMedia", {"forcedColors": "active"})
    show(page, api, key, "?request=r1")
    page.wait_for("() => document.querySelector('.finding') !== null")
    page.call("screenshot", {"path": str(PICTURES / "forced-colours.png")})
    ground = "getComputedStyle(document.querySelector('.row[aria-selected={}]')).backgroundColor"
    chosen, other = (page.call("evaluate", ground.format(value)) for value in ("true", "false"))
    assert chosen != other


@pytest.fixture
def locked() -> Iterator[ServerProcess]:
    with served(variables={TOKEN: "the-first-token"}) as server:
        yield server


def enter(page: Page, token: str) -> None:
    page.call("fill", "#token", token)
    page.click("#login button")


def test_token_is_asked_for_again_and_what_was_asked_for_is_shown(page: Page, locked: ServerProcess) -> None:
    api = Api(url=locked.url)
    api.outlit("pk_x", pageview(1), {"type": "nope"})
    page.go(f"{api.url}/_mock/ui/#/session/pk_x?request=r1")
    page.wait_for(OPEN)
    enter(page, "пароль")
    page.wait_for_text("A token has letters, digits and signs of ASCII only")
    page.press("Escape")
    page.wait_for_focus("#login-again")
    page.press("Enter")
    page.wait_for_focus("#token")
    enter(page, "wrong")
    page.wait_for_text("The server does not take this token.")
    enter(page, " the-first-token ")
    page.wait_for("() => document.querySelector('#detail .finding') !== null")
    assert page.call("evaluate", "document.querySelector('#login-again').hidden") is True
    locked.end()
    page.wait_for("() => document.querySelector('#state').className === 'lost'")
    with served("--port", str(locked.port), variables={TOKEN: "another-token"}) as second:
        page.wait_for(OPEN)
        enter(page, "another-token")
        page.wait_for_text("The server was restarted")
        page.click("#dismiss")
        assert page.texts("#notice") == [""]
        Api(url=second.url).outlit("pk_x", pageview(2))
        page.wait_for_rows(1)
        page.wait_for("() => document.querySelector('#detail .json')?.innerText.includes('/p2')")


def test_more_pages_than_a_browser_has_connections(browser: Browser, api: Api, key: str) -> None:
    """A browser opens six connections to a server; those that somebody does not see leave theirs to the others."""
    api.outlit(key, pageview(1))
    pages = [Page(browser, f"tab-{number}") for number in range(8)]
    pages[0].call("open", {})
    for page in pages:
        if page is not pages[0]:
            page.call("openBeside", pages[0].name)
        show(page, api, key)
        page.wait_for_rows(1)
        page.call("evaluate", HIDE.format("true"))
    pages[0].call("evaluate", HIDE.format("false"))
    api.outlit(key, pageview(2))
    pages[0].wait_for_rows(2)
    pages[0].call("close")
