"""What a user says of the task in words of their own: instructions, and what each label means.

Both stand in every prompt, in bundles, and in the identity of a run; rungs that learn from rows alone do not read them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ockham.data.label_spellings import match_labels
from ockham.errors import ConfigError, DataError
from ockham.llm import prompts
from ockham.readers.read import ReadSpec, read

LONGEST = 20_000
"""Characters of instructions: more would take the room of the texts."""
COLUMNS = ("label", "description")
_NAMED = 5


def read_instructions(value: str | None) -> str:
    """Return the instructions: the text itself, or what stands in the file of that name.

    Raises `ConfigError` (``E_CONFIG``) for a file that is not text in UTF-8, and for more than `LONGEST` characters.
    """
    if value is None:
        return ""
    try:
        text = Path(value).read_text(encoding="utf-8") if "\n" not in value and Path(value).is_file() else value
    except UnicodeDecodeError:
        raise ConfigError("E_CONFIG", "the instructions are not text in UTF-8", fix="save the file as UTF-8") from None
    except OSError:  # a text that is too long for a name
        text = value
    if len(text) > LONGEST:
        message = f"the instructions have {len(text):,} characters, and {LONGEST:,} are the most"
        raise ConfigError("E_CONFIG", message, fix="shorten them: they are part of every prompt")
    return text.strip()


def read_descriptions(file: str | None) -> dict[str, str]:
    """Read what labels mean from a file of any form with the columns ``label`` and ``description``.

    Raises `DataError` as `ockham.readers.read` does, and `ConfigError` (``E_CONFIG``) for a label that stands twice.
    """
    if file is None:
        return {}
    rows = read(file, ReadSpec(inputs=COLUMNS[1:], target=COLUMNS[0])).examples
    descriptions = {row.target.strip(): row.input.strip() for row in rows if row.input.strip()}
    if len({row.target.strip() for row in rows}) < len(rows):
        raise ConfigError(
            "E_CONFIG", "a label is described twice", fix="give each label one row in the file of --labels"
        )
    return descriptions


def match_descriptions(descriptions: Mapping[str, str], labels: Collection[str]) -> dict[str, str]:
    """Return what is said of labels by the data's own spelling of each.

    Raises `DataError` (``E_LABEL_SET``) for a description of a label that the data do not have.
    """
    match = match_labels(descriptions, labels)
    if match.unknown:
        numbers = [number for number, label in enumerate(descriptions, 1) if label in match.unknown]
        message = f"{len(match.unknown)} of {len(descriptions)} described labels do not occur in the data"
        message += (
            f" (number {', '.join(map(str, numbers[:_NAMED]))}{' …' if len(numbers) > _NAMED else ''} of the file)"
        )
        fix = "write the labels in the file of --labels as the data do, and leave out those that have no row"
        raise DataError("E_LABEL_SET", message, fix=fix)
    return {match.respelt.get(label, label): text for label, text in descriptions.items()}


def task_words(instructions: str, descriptions: Mapping[str, str], labels: Collection[str]) -> str:
    """Return what prompts say of the task: the instructions, and what each of the data's labels means.

    Raises `DataError` (``E_LABEL_SET``) for a description of a label that the data do not have.
    """
    meanings = match_descriptions(descriptions, labels)
    return f"{instructions}\n{_meanings(meanings)}".strip() if meanings else instructions


def without_meanings(words: str, descriptions: Mapping[str, str]) -> str:
    """Return the instructions alone, of what `task_words` made of them and of descriptions by the data's labels."""
    return words.removesuffix(_meanings(descriptions)).strip()


def _meanings(descriptions: Mapping[str, str]) -> str:
    return f"What the labels mean: {prompts.quote(dict(descriptions))}"
