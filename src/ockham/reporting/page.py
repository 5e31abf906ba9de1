"""The page: sections in reading order, one style, one script, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from ockham.records import RunResult
from ockham.reporting import (
    answers,
    candidates,
    curves,
    data_section,
    field_help,
    label_doubts,
    label_tables,
    method,
    summary,
)
from ockham.reporting.html import Html, join, tag

_CONTENTS = (
    ("candidates", "Candidates"),
    ("data", "Data"),
    ("judge", "Judge"),
    ("order", "Order"),
    ("labels", "Labels"),
    ("help", "What would help"),
    ("answers", "Wrong answers"),
    ("learning", "More rows"),
    ("cascade", "Cascade"),
    ("cost", "Cost"),
    ("method", "How it was measured"),
)


def render(run_result: RunResult) -> str:
    """Write the report of a run as one HTML file that needs nothing outside itself.

    Text from the user's data is cleaned and escaped; pictures are static SVG. Equal accounts give equal pages.
    """
    main = join(
        part
        for part in (
            summary.verdict(run_result),
            *_details(run_result),
        )
        if part
    )
    return document(
        f"Ockham: {run_result.title}",
        ("Skip to the verdict", "#verdict"),
        _banner(run_result, main),
        main,
        _foot(run_result),
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


def _details(run_result: RunResult) -> tuple[Html | None, ...]:
    return (
        candidates.table(run_result),
        candidates.comparisons(run_result),
        data_section.rows(run_result),
        data_section.guard(run_result),
        label_doubts.doubts(run_result),
        answers.judge_section(run_result),
        answers.option_order_section(run_result),
        label_tables.labels(run_result),
        field_help.help_section(run_result),
        answers.explorer(run_result),
        tag("div", curves.learning(run_result), curves.training(run_result), class_="pair"),
        tag("div", curves.cascade(run_result), curves.cost(run_result), class_="pair"),
        method.method_section(run_result),
        method.glossary(run_result),
    )


def _banner(run_result: RunResult, main: Html) -> Html:
    links = [tag("a", title, href=f"#{name}") for name, title in _CONTENTS if f'<section id="{name}"' in main]
    return tag(
        "header",
        tag("p", tag("span", "Ockham", class_="wordmark"), tag("bdi", run_result.title, dir="auto", class_="of")),
        tag("nav", links, aria_label="Sections"),
        class_="banner",
    )


def _foot(run_result: RunResult) -> Html:
    return tag(
        "footer",
        tag("p", method.citation(run_result)),
        tag("p", "This file contains test rows of your data. It loads nothing from outside and sends nothing."),
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
