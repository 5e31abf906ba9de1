"""Rules that find values by shape, label words and position: the baseline of extracting (`pattern_rules`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.errors import ModelError
from ockham.models import model_files
from ockham.models.extraction import pattern_rules, text_words
from ockham.models.extraction.field_writer import FieldWriter, WriterSettings
from ockham.models.extraction.pattern_rules import PatternRule
from ockham.models.extraction.span_shares import SpanShare
from ockham.records import Answer

FILE = "pattern.json"
RULES = "pattern_rules.json"
LIST = "rules.txt"
"""The rules as sentences, for a person to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleList:
    """The rules of all fields, those of a field in the order in which they are tried."""

    rules: tuple[PatternRule, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rules ready to answer."""

    writer: FieldWriter
    rules: tuple[PatternRule, ...]
    keys: pattern_rules.Keys
    most_lines: int

    @classmethod
    def of(cls, writer: FieldWriter, rules: Sequence[PatternRule]) -> Pattern:
        """Put rules in order for looking their shapes up."""
        keys, most = pattern_rules.index_rules(rules)
        return cls(writer, tuple(rules), keys, most)

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the fields found in each text."""
        return [self.writer.answer(text, self.shares(text)) for text in inputs]

    def shares(self, text: str) -> list[SpanShare]:
        """Return the value of the first rule of each field that finds one, with how often that rule is right."""
        page = pattern_rules.read_text(text, text_words.split_words(text, self.writer.closed))
        candidates = pattern_rules.find_candidates(page, self.keys, self.most_lines)
        out: dict[tuple[int, int, int], SpanShare] = {}
        settled = set[int]()
        for rule in self.rules:
            if rule.field in settled:
                continue
            for run in pattern_rules.apply_rule(rule, page, candidates):
                start, end = pattern_rules.extent_of(page, run)
                span = SpanShare(field=rule.field, start=start, end=end, share=rule.precision)
                out.setdefault((rule.field, start, end), span)
                if rule.pick != "all":
                    settled.add(rule.field)
        return list(out.values())

    def save(self, folder: Path) -> None:
        """Write the model into a staging folder, its rules as sentences too."""
        model_files.write(self.writer.settings, folder / FILE)
        model_files.write(RuleList(rules=self.rules), folder / RULES)
        names = [".".join(path) for path in self.writer.settings.paths]
        lines = [pattern_rules.describe_rule(rule, names[rule.field]) for rule in self.rules]
        model_files.write_lines(lines, folder / LIST)


def load(folder: Path) -> Pattern:
    """Read the model; raises `ModelError` where a file is missing or not as it was written."""
    settings = model_files.read(WriterSettings, folder / FILE)
    rules = model_files.read(RuleList, folder / RULES).rules
    writer = FieldWriter.of(settings, FILE)
    if any(not 0 <= rule.field < len(settings.paths) or not 0 <= rule.right <= rule.rows for rule in rules):
        message = f"{RULES}: its rules are not of the fields that {FILE} tells"
        raise ModelError("E_MODEL_FORMAT", message, fix=model_files.FIX)
    return Pattern.of(writer, rules)
