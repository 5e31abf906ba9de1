"""The page of `ockham serve` in a real browser: try a model, compare two, see why and where it was wrong."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.chromium import CHROMIUM, start_browser
from tests.served import KEY, Served, fake_bundle, serve

import ockham

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MAILS = Path(__file__).parents[2] / "examples/support_mail.csv"
HOSTILE = "<img src=x onerror=window.hit=1>"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; scripts/browser installs one"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from start_browser()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("runs")
    spec = ockham.FitSpec(inputs=("subject", "body"), target="label", rungs=("constant", "lookup"))
    ockham.fit(MAILS, spec, ockham.Requirements(), out=folder / "mail")
    person = fake_bundle(folder / "person", {"Ann": '{"name":"Ann","city":"<b>Ulm</b>"}'}, task="extract")
    tale = fake_bundle(folder / "tale", {"tell": HOSTILE})
    with serve(folder / "mail", f"person={person}", f"tale={tale}") as server:
        yield server


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{served.address}/#key={KEY}")
    page.locator("textarea").first.wait_for()
    yield page
    assert page.evaluate("window.hit") is None
    page.close()


def test_a_key_is_asked_for_and_a_wrong_one_is_refused(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    page.goto(served.address)
    assert page.locator("#main").is_hidden()
    page.fill("#key", "wrong")
    page.click("#gate button")
    page.locator("#gate-error", has_text="does not accept this key").wait_for()
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    page.locator("textarea").first.wait_for()
    page.close()


def test_the_key_of_the_link_does_not_stay_in_the_address(page: Page, served: Served) -> None:
    assert page.url == f"{served.address}/"
    page.reload()
    page.locator("textarea").first.wait_for()  # the tab still knows it


def test_a_row_is_answered_with_probabilities_and_time(page: Page) -> None:
    page.fill("textarea >> nth=0", "Refund")
    page.fill("textarea >> nth=1", "You charged my card twice.")
    page.click("#send")
    box = page.locator(".answer")
    box.locator("table").wait_for()
    assert box.locator("tr").count() == 5
    shares = [float(text.removesuffix(" %")) for text in box.locator("td.number").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert "Answered in" in box.inner_text()


def test_two_models_answer_side_by_side(page: Page) -> None:
    page.select_option("#beside", "tale")
    page.fill("textarea >> nth=1", "tell")
    page.keyboard.press("Control+Enter")
    page.locator(".answer").nth(1).locator(".small").first.wait_for()
    assert page.locator(".answer h3").all_inner_texts() == ["mail (lookup)", "tale (fake)"]


def test_what_a_model_writes_is_text_and_an_object_is_a_table(page: Page) -> None:
    page.select_option("#model", "tale")
    page.locator("label", has_text="Text").wait_for()
    page.fill("textarea", "tell")
    page.click("#send")
    page.locator(".answer .value", has_text=HOSTILE).wait_for()
    page.select_option("#model", "person")
    page.fill("textarea", "Ann")
    page.click("#send")
    page.locator(".answer table").wait_for()
    assert page.locator(".answer tr").all_inner_texts() == ["name\tAnn", "city\t<b>Ulm</b>"]


def test_an_empty_text_and_a_server_that_is_gone_are_told(page: Page) -> None:
    page.click("#send")
    page.locator(".error", has_text="Enter a text first").wait_for()
    page.route("**/v1/decisions", lambda route: route.abort())
    page.fill("textarea >> nth=1", "hello")
    page.click("#send")
    page.locator(".answer .error", has_text="does not respond").wait_for()
    assert page.locator("#send").is_enabled()


def test_a_mistake_can_be_tried_and_the_report_opens_once(page: Page) -> None:
    page.locator("#mistake-rows button").first.click()
    page.locator(".answer table").wait_for()
    assert page.locator("textarea").nth(1).input_value()
    with page.context.expect_page() as opened:
        page.click("#report")
    report = opened.value
    report.wait_for_url("**/report?ticket=*")
    assert report.locator("h1").inner_text().startswith(("Use", "Best so far", "Cannot tell", "lookup"))
    assert report.evaluate("try { sessionStorage.length } catch { 'apart' }") == "apart"  # it cannot see the key
    report.reload()
    assert "no longer good" in report.inner_text("body")
    report.close()


def test_ten_mistakes_are_shown_until_all_are_asked_for(page: Page) -> None:
    rows = page.locator("#mistake-rows tr")
    rows.first.wait_for()
    visible = page.locator("#mistake-rows tr:visible")
    assert visible.count() == 10 < rows.count()
    page.click("#mistakes-all")
    assert visible.count() == rows.count()
    assert page.locator("#mistakes-all").is_hidden()


def test_the_request_that_the_command_prints_is_answered(served: Served) -> None:
    deadline = time.monotonic() + 10
    while not (lines := [line for line in served.said if line.startswith("curl:")]) and time.monotonic() < deadline:
        time.sleep(0.05)
    words = shlex.split(lines[0])
    name, _, value = words[words.index("-H") + 1].partition(": ")
    body = json.loads(words[words.index("--json") + 1])
    assert json.loads(body["input"]) == {"subject": "TEXT", "body": "TEXT"}  # the model reads two columns
    reply = httpx.post(words[2], json=body, headers={name: value}, timeout=60)
    assert reply.status_code == 200, reply.text


def test_it_fits_a_phone(browser: Browser, served: Served) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"{served.address}/#key={KEY}")
    page.locator("#mistake-rows tr").first.wait_for()
    page.locator("#mistake-rows button").first.click()
    page.locator(".answer table").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()
