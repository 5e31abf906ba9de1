"""The files of a folder of examples, and the side of the user's own split that each is, by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.dataset_card import class_names_in_card
from ockham.readers.formats import EXAMPLES, NOTES, is_examples
from ockham.readers.forms.dialogflow import USERSAYS
from ockham.readers.local_file import refusal_of
from ockham.readers.parquet_file import names_in_features
from ockham.readers.row_status import SIDES
from ockham.readers.single_document import YAML_SUFFIXES
from ockham.records import Side

_DATASET_DICT, _STATE = "dataset_dict.json", "state.json"
_INFO, _INFOS = "dataset_info.json", "dataset_infos.json"
_NOTES = {_DATASET_DICT, _STATE, _INFO, _INFOS}
_MAX_NOTE = 1_000_000
_RASA_PLACES = ("nlu", "data", "data/nlu")
_RASA_INTENTS = re.compile(rb"^nlu:", re.MULTILINE)
_HEAD = 65_536
"""Bytes of a file of Rasa that its kind is told by."""


class DataFile(NamedTuple):
    """A file of examples: what its ids begin with where there are several, and its side, where all have one."""

    path: Path
    prefix: str
    side: Side | None = None


class Folder(NamedTuple):
    """The files of a folder, and how many other entries it holds that are not read."""

    files: tuple[DataFile, ...]
    others: int


def files_of(folder: Path) -> Folder:
    """Find the files of a folder, or of a data set that Hugging Face's `datasets` saved there.

    Files named train, validation and test (the folders they stand in count) are the user's own split. Raises
    `DataError`: ``E_EMPTY`` where there is no file that can be read, ``E_IO``.
    """
    try:
        _refuse_annotations(folder)
        paths, others = _paths(folder)
    except (OSError, ValueError) as error:
        raise refusal_of(folder, error) from error
    if not paths and _holds_folders_of_texts(folder):
        raise DataError(
            "E_EMPTY",
            f"the folder {printable(folder)} contains folders of texts, which are not read as labels and rows",
            fix='write a line of JSONL for each file: {"text": …, "label": NAME_OF_ITS_FOLDER}',
        )
    if not paths:
        raise DataError(
            "E_EMPTY",
            f"the folder {printable(folder)} contains no file that can be read",
            fix=f"name a folder with files that end in {', '.join(EXAMPLES)}",
        )
    names = [path.relative_to(folder).as_posix() for path in paths]
    sides = [side_of_name(name) for name in names]
    if "train" not in sides or not {"valid", "test"} & set(sides):
        sides = [None] * len(sides)
    prefixes = [f"{printable(name)}:" if len(names) > 1 else "" for name in names]
    return Folder(tuple(DataFile(*entry) for entry in zip(paths, prefixes, sides, strict=True)), others)


def _refuse_annotations(folder: Path) -> None:
    if any(entry.suffix.lower() == ".ann" for entry in _entries(folder)):
        raise DataError(
            "E_FORMAT",
            f"the folder {printable(folder)} contains brat annotations (.ann), which Ockham does not read",
            fix="convert them to CoNLL, for example with brat's tools/anntoconll.py, or to doccano's JSONL",
        )


def _holds_folders_of_texts(folder: Path) -> bool:
    folders = [entry for entry in _entries(folder) if entry.is_dir()]
    sides = [entry for entry in folders if side_of_name(entry.name)]
    if sides:  # train/LABEL/1.txt
        return all(map(_holds_folders_of_texts, sides))
    return len(folders) > 1 and all(any(file.suffix.lower() == ".txt" for file in _entries(d)) for d in folders)


def side_of_name(name: str) -> Side | None:
    """Return the side that a path names, by whole words: ``data/train-00000-of-00001.parquet`` is for training."""
    words = re.split(r"[^a-z0-9]+", name.casefold())
    return next((SIDES[word] for word in words if word in SIDES), None)


def _paths(folder: Path) -> tuple[list[Path], int]:
    splits = _list_in(folder / _DATASET_DICT, "splits")
    if splits:
        names = [name for name in splits if isinstance(name, str) and Path(name).name == name]
        return [path for name in names for path in _arrow_files(folder / name)], 0
    if (folder / _STATE).is_file() and (saved := _arrow_files(folder)):
        return saved, 0
    inside = [entry for entry in _entries(folder) if entry.name not in _NOTES]
    phrases = _dialogflow_phrases(folder)
    if phrases:
        return phrases, len(inside) - 1
    paths = [entry for entry in inside if not entry.is_dir() and is_examples(entry) and not _is_sample(entry)]
    named = [entry for entry in inside if entry.is_dir() and (entry.name == "data" or side_of_name(entry.name))]
    paths += [file for entry in named for file in _entries(entry) if not file.is_dir() and is_examples(file)]
    others = [path for path in paths if path.suffix.lower() not in NOTES]
    paths = others or _rasa_intents(folder) or paths  # beside data, a text or a YAML file is a note
    folders = {place for path in paths for place in path.parents}
    return paths, len(set(inside) - set(paths) - set(named) - folders)


def _is_sample(path: Path) -> bool:
    """Tell the file of made-up answers that Kaggle lays beside the data."""
    return "submission" in path.stem.casefold()


def _dialogflow_phrases(folder: Path) -> list[Path]:
    """Return the files of what users say, by intent, of an agent of Dialogflow ES."""
    intents = folder / "intents"
    if not intents.is_dir():
        return []
    return [entry for entry in _entries(intents) if USERSAYS.search(entry.name)]


def _rasa_intents(folder: Path) -> list[Path]:
    """Return the files with examples of intents in a folder of Rasa; its rules, stories and domain have none."""
    return [
        entry
        for place in (folder, *map(folder.joinpath, _RASA_PLACES))
        if place.is_dir()
        for entry in _entries(place)
        if entry.suffix.lower() in YAML_SUFFIXES and entry.is_file() and _RASA_INTENTS.search(_head(entry))
    ]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:  # which reading it says
        return b""


def _entries(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [entry for entry in inside if not entry.name.startswith(".")]


def _arrow_files(folder: Path) -> list[Path]:
    """Return the Arrow files of one data set, as its state names them; never one outside of its folder."""
    files = _list_in(folder / _STATE, "_data_files")
    names = [entry.get("filename") for entry in files if isinstance(entry, dict)]
    return [folder / name for name in names if isinstance(name, str) and Path(name).name == name]


def label_names_beside(path: Path) -> dict[str, list[str]]:
    """Return the names of the classes of each column that the note of a data set in a folder names."""
    notes = [_note(path / _INFO), *_note(path / _INFOS).values()]
    named = [names for note in notes if isinstance(note, dict) and (names := names_in_features(note.get("features")))]
    if not named:
        return class_names_in_card(path)
    return named[0] if all(names == named[0] for names in named) else {}


def _list_in(path: Path, key: str) -> list[object]:
    entries = _note(path).get(key)
    return entries if isinstance(entries, list) else []


def _note(path: Path) -> dict[str, object]:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_NOTE:
            return {}
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
