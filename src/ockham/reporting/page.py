"""The page: sections in reading order, one style, one script, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from ockham.records import RunResult
from ockham.reporting import answers, candidates, curves, data_section, label_doubts, label_tables, method, summary
from ockham.reporting.html import Html, join, tag

_CONTENTS = (
    ("candidates", "Candidates"),
    ("data", "Data"),
    ("judge", "Judge"),
    ("order", "Order"),
    ("labels", "Labels"),
    ("answers", "Wrong answers"),
    ("learning", "More rows"),
    ("cascade", "Cascade"),
    ("cost", "Cost"),
    ("method", "How it was measured"),
)


def render(account: RunResult) -> str:
    """Write the report of a run as one HTML file that needs nothing outside itself.

    Text from the user's data is cleaned and escaped; pictures are static SVG. Equal accounts give equal pages.
    """
    main = join(
        part
        for part in (
            summary.verdict(account),
            *_details(account),
        )
        if part
    )
    return document(
        f"Ockham: {account.title}", ("Skip to the verdict", "#verdict"), _banner(account, main), main, _foot(account)
    )


def document(title: str, skip: tuple[str, str], banner: Html, main: Html, foot: Html) -> str:
    """Write a whole page in the report's style; ``skip`` is the text and the target of the link for keyboards."""
    style, script = _asset("page.css"), _asset("page.js")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        tag("a", skip[0], href=skip[1], class_="skip"),
        banner,
        tag("main", main, id="main"),
        foot,
        tag("script", Html(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _details(account: RunResult) -> tuple[Html | None, ...]:
    return (
        candidates.table(account),
        candidates.comparisons(account),
        data_section.rows(account),
        data_section.guard(account),
        label_doubts.doubts(account),
        answers.judge_section(account),
        answers.option_order_section(account),
        label_tables.labels(account),
        answers.explorer(account),
        tag("div", curves.learning(account), curves.training(account), class_="pair"),
        tag("div", curves.cascade(account), curves.cost(account), class_="pair"),
        method.method_section(account),
        method.glossary(account),
    )


def _banner(account: RunResult, main: Html) -> Html:
    links = [tag("a", title, href=f"#{name}") for name, title in _CONTENTS if f'<section id="{name}"' in main]
    return tag(
        "header",
        tag("p", tag("span", "Ockham", class_="wordmark"), tag("bdi", account.title, dir="auto", class_="of")),
        tag("nav", links, aria_label="Sections"),
        class_="banner",
    )


def _foot(account: RunResult) -> Html:
    return tag(
        "footer",
        tag("p", method.citation(account)),
        tag("p", "This file holds test rows of your data. It loads nothing from anywhere and sends nothing anywhere."),
    )


def _asset(name: str) -> str:
    return files("ockham.reporting").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
