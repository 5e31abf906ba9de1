"""A command: its help shows examples first, then its options in sections; an option of one value is named once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import click

from ockham.errors import ConfigError

F = TypeVar("F", bound="Callable[..., Any]")

GENERAL = "General"
"""The section of options that name none; it comes last."""
# Options of click have no room for a section of their own.
_SECTIONS: WeakKeyDictionary[click.Parameter, str] = WeakKeyDictionary()


class Command(click.Command):
    """A command whose help shows ``examples`` before its options, and the options by section.

    An option that takes one value may be named once: of two values, one would be lost without a word.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's
        """Take the command lines to show, and all that click takes."""
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def make_parser(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click has no public name for it
        """Make a parser that raises `ConfigError` (``E_CONFIG``) for an option of one value named more than once."""
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_and_check(args: list[str]) -> tuple[dict[str, Any], list[str], list[click.Parameter]]:
            values, rest, named = parse(args)
            if not ctx.resilient_parsing:
                _check_single(named)
            return values, rest, named

        parser.parse_args = parse_and_check  # type: ignore[method-assign]
        return parser

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a list for each section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if line is not None:
                sections.setdefault(_SECTIONS.get(parameter, GENERAL), []).append(line)
        general = sections.pop(GENERAL, [])
        for title, lines in [*sections.items(), (GENERAL if sections else "Options", general)]:
            with formatter.section(title):
                formatter.write_dl(lines)


def section(title: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Put options on a command, in this order, under a title of its help; those of an inner section keep theirs."""

    def put(function: F) -> F:
        before = len(_parameters(function))
        for option in reversed(options):
            function = option(function)
        for parameter in _parameters(function)[before:]:
            _SECTIONS.setdefault(parameter, title)
        return function

    return put


def _check_single(named: Sequence[click.Parameter]) -> None:
    """Raise `ConfigError` (``E_CONFIG``) where an option of one value stands among ``named`` several times."""
    for parameter, times in Counter(named).items():
        is_single = isinstance(parameter, click.Option) and not (parameter.multiple or parameter.is_flag)
        if times > 1 and is_single:
            option = max(parameter.opts, key=len)
            often = "twice" if times == 2 else f"{times} times"
            message = f"{option} is given {often}, but takes one value"
            raise ConfigError("E_CONFIG", message, fix=f"keep one {option}")


def _parameters(function: Callable[..., Any]) -> list[click.Parameter]:
    """Return what click's decorators have put on a function so far."""
    return getattr(function, "__click_params__", [])
