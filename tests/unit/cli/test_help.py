"""The help of a command: two examples that its own flags allow, options in sections, completion in a shell."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ockham.cli import commands
from ockham.cli.help import Command
from ockham.errors import ConfigError
from ockham.verb_table import VERBS

WORDY = ("least", "greatest", "passes", "card", "orders")
"""Words that stand for one that the field has: minimum, maximum, epochs, GPU, system prompt."""


def command_of(name: str) -> Command:
    with commands.ockham.make_context("ockham", [], resilient_parsing=True) as top:
        command = commands.ockham.get_command(top, name)
    assert isinstance(command, Command)
    return command


def help_of(name: str) -> str:
    command = command_of(name)
    with click.Context(command, info_name=name, terminal_width=100) as context:
        return command.get_help(context)


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_command_shows_two_examples_that_it_takes(name: str) -> None:
    command = command_of(name)
    assert len(command.examples) >= 2
    assert "\nExamples:\n" in help_of(name)
    for example in command.examples:
        assert f"\n  {example}\n" in help_of(name)
        program, verb, *words = shlex.split(example.split(" | ")[0])
        assert (program, verb) == ("ockham", name)
        with command.make_context(name, words):
            pass


@pytest.mark.parametrize("name", sorted(VERBS))
def test_an_option_that_takes_one_value_is_refused_when_it_is_named_twice(name: str) -> None:
    command = command_of(name)
    options = [each for each in command.params if isinstance(each, click.Option) and not each.is_flag]
    assert options or name in ("doctor", "verify")
    for option in options:
        for flag in option.opts:
            with click.Context(command, info_name=name) as context:
                if option.multiple:  # what is wrong with "1" is said, not that it is there twice
                    with contextlib.suppress(click.UsageError):
                        command.parse_args(context, [flag, "1", flag, "1"])
                    continue
                with pytest.raises(ConfigError) as caught:
                    command.parse_args(context, [flag, "1", f"{flag}=2" if flag.startswith("--") else f"{flag}2"])
                longest = max(option.opts, key=len)
                assert caught.value.message == f"{longest} is given twice, but takes one value"
                assert caught.value.fix == f"keep one {longest}"


def test_flags_and_options_of_several_values_may_be_named_again() -> None:
    fit = command_of("fit")
    words = ["--json", "--json", "--input", "a", "--input", "b", "d.csv"]
    with fit.make_context("fit", words) as context:
        assert context.params["input"] == ("a", "b")
    with pytest.raises(ConfigError, match="--seed is given 3 times"):
        fit.make_context("fit", ["--seed", "1", "--seed", "1", "--seed", "2", "d.csv"])


def test_a_command_line_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    make_parser = click.Command.make_parser

    def count(command: click.Command, context: click.Context) -> Any:
        made.append(command)
        return make_parser(command, context)

    monkeypatch.setattr(click.Command, "make_parser", count)
    fit = command_of("fit")
    made.clear()
    with fit.make_context("fit", ["--seed", "1", "d.csv"]):
        assert made == [fit]


@pytest.mark.parametrize("name", sorted(VERBS))
def test_the_help_speaks_of_minima_maxima_and_epochs(name: str) -> None:
    words = {word.strip(".,;:()[]").lower() for word in help_of(name).split()}
    assert words.isdisjoint(WORDY)


@pytest.mark.parametrize("name", ["fit", "tune", "curate", "plan"])
def test_many_options_stand_in_sections(name: str) -> None:
    text = help_of(name)
    titles = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles[-2:] == ["Output", "General"] or name == "curate"
    assert titles[-1] == "General"
    general = text[text.index("\nGeneral:\n") :]
    assert {word for word in general.split() if word.startswith("--")} <= {"--config", "--unsealed", "--help"}
    if name == "fit":
        assert titles == ["Examples", "Data", "Requirements", "Models", "Tuning", "Endpoint", "Output", "General"]
        assert "Minimum accuracy" in text
        assert "Maximum 95th-percentile latency" in text


def test_a_shell_completes_commands_flags_and_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    candidates = [{"name": "lookup", "status": "skipped"}, {"name": "linear", "status": "measured"}]
    (tmp_path / "verdict.json").write_text(json.dumps({"candidates": candidates}))
    cases = {
        ("ockham f", 1): "plain,fit",
        (f"ockham export {tmp_path} --rung l", 4): "plain,linear",
        (f"ockham serve mail={tmp_path} --rung l", 4): "plain,linear",
        (f"ockham export {tmp_path / 'none'} --rung l", 4): "",
        ("ockham fit --min-a", 2): "plain,--min-accuracy",
        ("ockham fit mails", 2): "file,mails",
        ("ockham fit --rung loo", 3): "plain,lookup",
        ("ockham nothing x", 2): "",
    }
    for (words, number), completion in cases.items():
        monkeypatch.setenv("_OCKHAM_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(number))
        with pytest.raises(SystemExit) as leaving:
            commands.main()
        assert leaving.value.code == 0
        assert capsys.readouterr().out.strip() == completion
    for shell in ("bash", "zsh", "fish"):
        monkeypatch.setenv("_OCKHAM_COMPLETE", f"{shell}_source")
        monkeypatch.setattr(sys, "argv", ["ockham"])
        with pytest.raises(SystemExit):
            commands.main()
        assert "_OCKHAM_COMPLETE" in capsys.readouterr().out
