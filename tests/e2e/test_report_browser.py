"""The report in a real browser, opened from a file: nothing leaves, nothing foreign acts, every control works."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.chromium import CHROMIUM, start_browser
from tests.sample_account import hostile_account, sample_account

from ockham.reporting import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; scripts/browser installs one"),
]
HOSTILE = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "<a href=javascript:window.hit=1>x</a><iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<style>body{display:none}</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "\u202egnp.exe",
    "<!--<script>",
)

PICTURES = """() => {
    document.querySelectorAll(".ladder .picture").forEach(e => { e.style.display = "block"; });
    const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
    return [...document.querySelectorAll("figure svg")].filter(e => e.getClientRects().length).map(svg => ({
        frame: box(svg),
        size: 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
        words: [...svg.querySelectorAll("text")].map(e => [e.textContent, box(e)]),
    }));
}"""


@dataclass
class Visit:
    """An open page with what it asked for and what it complained about."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[str]:
        return [row.inner_text() for row in self.page.locator("#list tbody tr").all()]

    @property
    def found(self) -> int:
        return int(self.page.locator("#found").inner_text().split(" of ")[0].replace(",", ""))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from start_browser()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(sample_account()), encoding="utf-8")
    return path


def visit(browser: Browser, path: Path, width: int = 1280, height: int = 800) -> Visit:
    page = browser.new_page(viewport={"width": width, "height": height})
    seen = Visit(page=page)

    def watched(route: Route) -> None:
        seen.asked.append(route.request.url)
        route.continue_()

    page.route("**/*", watched)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.add_init_script(
        "window.broken = []; addEventListener('securitypolicyviolation', e => window.broken.push(e.violatedDirective))"
    )
    page.goto(path.as_uri())
    return seen


def truth(name: str) -> dict[str, bool]:
    reports = {r.candidate.name: r for r in sample_account().reports}
    return {s.example: s.value == 1 for s in reports[name].scores}


def test_nothing_leaves_and_nothing_complains(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    assert seen.asked == [sample.as_uri()]
    assert seen.complaints == []
    assert seen.page.evaluate("window.broken") == []
    assert seen.page.locator("h1").inner_text() == "Use encoder."
    seen.page.close()


def test_filters_narrow_the_answers(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    encoder, linear = truth("encoder"), truth("linear")
    assert seen.found == sum(not right for right in encoder.values())

    seen.page.select_option("#a", label="linear")
    assert seen.found == sum(not right for right in linear.values())
    seen.page.select_option("#b", label="encoder")
    seen.page.select_option("#mode", "ba")
    better = [k for k in linear if encoder[k] and not linear[k]]
    assert seen.found == len(better) == len(seen.shown)
    assert [int(row.split("\t")[0]) for row in seen.shown] == [int(k) + 1 for k in better], "as a spreadsheet counts"

    seen.page.select_option("#mode", "ab")
    assert seen.found == sum(linear[k] and not encoder[k] for k in linear)

    seen.page.select_option("#mode", "all")
    assert seen.found == 144
    assert len(seen.shown) == 50
    seen.page.type("#find", "KETTLE")
    kettles = [k for k, e in sample_account().examples.items() if "kettle" in e.input.lower()]
    assert seen.found == len(kettles) > 0
    assert all("kettle" in row for row in seen.shown)
    seen.page.select_option("#label", label="damaged item")
    assert 0 < seen.found < len(kettles)
    seen.page.fill("#find", "no such words at all")
    assert seen.found == 0
    assert seen.complaints == []
    seen.page.close()


def test_pages_turn_by_keyboard(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    seen.page.select_option("#mode", "all")
    first = seen.shown[0]
    assert seen.page.locator("#place").inner_text() == "1 of 3"
    assert seen.page.locator("#earlier").is_disabled()
    seen.page.focus("#later")
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#place").inner_text() == "3 of 3"
    assert len(seen.shown) == 44
    assert seen.shown[0] != first
    seen.page.close()


def test_words_that_differ_are_marked_in_written_texts(browser: Browser, tmp_path: Path) -> None:
    account = sample_account()
    (report,) = [report for report in account.reports if report.candidate.name == "encoder"]
    scores = report.scores
    first = dataclasses.replace(scores[0], target="add milk today", answer="add bread today", value=0.0)
    second = dataclasses.replace(scores[1], target="add milk", answer="remind me", value=0.0)
    account = dataclasses.replace(
        account,
        verdict=dataclasses.replace(account.verdict, task="generate"),
        reports=(dataclasses.replace(report, scores=(first, second, *scores[2:])),),
    )
    path = tmp_path / "report.html"
    path.write_text(render(account), encoding="utf-8")
    seen = visit(browser, path)
    row = seen.page.locator("#list tbody tr").filter(has_text="add bread today")
    assert row.locator("mark").all_inner_texts() == ["milk", "bread"]
    assert seen.page.locator("#list tbody tr").filter(has_text="remind me").locator("mark").count() == 0
    assert seen.complaints == []
    seen.page.close()


def test_axis_switches_by_mouse_and_keyboard(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)

    def visible() -> list[str]:
        return [a for a in ("latency", "memory", "cost") if seen.page.locator(f".picture.{a}").is_visible()]

    assert visible() == ["latency"]
    for axis in ("cost", "latency", "memory"):
        seen.page.click(f"label[for=axis-{axis}]", timeout=5000)
        assert visible() == [axis]
    seen.page.focus("#axis-memory")
    seen.page.keyboard.press("ArrowRight")
    assert visible() == ["cost"]
    seen.page.close()


def test_label_table_sorts(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    recall = seen.page.locator("table.sortable th button", has_text="Recall")

    def values() -> list[float]:
        cells = seen.page.locator("table.sortable tbody tr td:nth-child(4)").all()
        return [float(cell.get_attribute("data-v") or "nan") for cell in cells]

    recall.click()
    assert values() == sorted(values())
    recall.click()
    assert values() == sorted(values(), reverse=True)
    assert seen.page.locator("th[aria-sort=descending]").inner_text().startswith("Recall")
    seen.page.close()


def test_foreign_text_is_inert(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "a report & more.html"
    path.write_text(render(hostile_account(HOSTILE)), encoding="utf-8")
    seen = visit(browser, path)
    seen.page.select_option("#mode", "all")
    shown = seen.page.locator("#list").inner_text()
    assert all(text in shown for text in HOSTILE[:6])
    assert "⟦RLO⟧gnp.exe" in shown
    assert seen.page.evaluate("window.hit") is None
    assert seen.asked == [path.as_uri()]
    assert seen.complaints == []
    assert seen.page.evaluate("window.broken") == []
    assert seen.page.locator("iframe, img, link").count() == 0
    seen.page.close()


def test_policy_stops_what_is_not_ours(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    seen.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'hit = 1'}))"
    )
    seen.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    seen.page.wait_for_function("window.broken.length >= 2")
    assert seen.page.evaluate("window.hit") is None
    assert [url for url in seen.asked if url.startswith("http")] == []
    seen.page.close()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_screen_scrolls_sideways(browser: Browser, sample: Path, width: int) -> None:
    seen = visit(browser, sample, width, 844)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    narrow = seen.page.locator(".picture.latency .narrow").is_visible()
    assert narrow is (width < 640)
    seen.page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_words_in_pictures_neither_touch_nor_leave(browser: Browser, tmp_path: Path, width: int) -> None:
    account = sample_account()
    long = {c.name: f"decoder:org/{c.name}-instruct:4bit" for c in account.verdict.candidates}
    crowded = dataclasses.replace(
        account,
        verdict=dataclasses.replace(
            account.verdict,
            chosen=long["encoder"],
            candidates=tuple(dataclasses.replace(c, name=long[c.name]) for c in account.verdict.candidates),
        ),
        curve=tuple(dataclasses.replace(p, candidate=long[p.candidate]) for p in account.curve),
        reports=tuple(
            dataclasses.replace(r, candidate=dataclasses.replace(r.candidate, name=long[r.candidate.name]))
            for r in account.reports
        ),
    )
    for name, shown in (("sample", account), ("crowded", crowded)):
        path = tmp_path / f"{name}.html"
        path.write_text(render(shown), encoding="utf-8")
        seen = visit(browser, path, width)
        pictures = seen.page.evaluate(PICTURES)
        assert len(pictures) == 7
        for picture in pictures:
            left, top, right, bottom = picture["frame"]
            assert picture["words"]
            assert picture["size"] >= 11
            for words, box in picture["words"]:
                assert left - 0.5 <= box[0] <= box[2] <= right + 0.5, words
                assert top - 0.5 <= box[1] <= box[3] <= bottom + 0.5, words
            for (first, a), (second, b) in itertools.combinations(picture["words"], 2):
                across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
                assert across <= 0 or down <= 3, (first, second)  # the boxes have leading above and below
        seen.page.close()


def test_dark_scheme_is_dark_and_legible(browser: Browser, sample: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(sample.as_uri())
    colours = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    paper, ink = ([int(v) for v in colour[4:-1].split(",")] for colour in colours)
    assert max(paper) < 60
    assert min(ink) > 200
    name = page.locator(".picture.latency .wide svg text", has_text="linear").first
    assert min(int(v) for v in name.evaluate("e => getComputedStyle(e).fill")[4:-1].split(",")) > 200
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_has_contrast(browser: Browser, sample: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(sample.as_uri())
    names = ["ink", "soft", "accent", "yes", "no", "open", "c1", "c2", "c3", "c4", "c5"]
    for ground in ("paper", "tint"):
        below = _variable(page, ground)
        for name in names:
            if ground == "tint" and name.startswith("c"):
                continue
            assert _contrast(_variable(page, name), below) >= 4.5, (ground, name)
    context.close()


def test_prints_on_paper(browser: Browser, sample: Path) -> None:
    seen = visit(browser, sample)
    made = seen.page.pdf(prefer_css_page_size=True)
    assert made.startswith(b"%PDF")
    assert 3 <= made.count(b"/Type /Page\n") + made.count(b"/Type /Page ") + made.count(b"/Type /Page/") <= 12
    seen.page.emulate_media(media="print")
    assert not seen.page.locator("#filter").is_visible()
    assert seen.page.locator(".picture.latency").is_visible()
    seen.page.close()


def test_without_scripts_the_page_still_tells(browser: Browser, sample: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(sample.as_uri())
    wrong = sum(not right for right in truth("encoder").values())
    assert page.locator("#list tbody tr").count() == wrong
    assert not page.locator("#filter").is_visible()
    page.click("label[for=axis-memory]")
    assert page.locator(".picture.memory").is_visible()
    context.close()


def test_ten_thousand_rows_stay_small_and_quick(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "big.html"
    path.write_text(render(sample_account(n=10_000)), encoding="utf-8")
    assert path.stat().st_size < 4_000_000
    seen = visit(browser, path)
    seen.page.select_option("#mode", "all")
    assert seen.found == 10_000
    spent = seen.page.evaluate(
        """() => {
            const start = performance.now();
            const find = document.getElementById("find");
            find.value = "kettle";
            find.dispatchEvent(new Event("input", { bubbles: true }));
            return performance.now() - start;
        }"""
    )
    assert spent < 1000
    seen.page.close()


def _variable(page: Page, name: str) -> str:
    return str(
        page.evaluate("n => getComputedStyle(document.documentElement).getPropertyValue(n)", f"--{name}")
    ).strip()


def _contrast(first: str, second: str) -> float:
    """Compute the contrast ratio of two colours (WCAG 2.2, definition of relative luminance)."""

    def luminance(colour: str) -> float:
        text = "".join(2 * c for c in colour[1:]) if len(colour) == 4 else colour[1:]
        parts = [int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
