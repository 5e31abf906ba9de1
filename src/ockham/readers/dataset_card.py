"""The card of a data set: the YAML at the head of a README.md, as Hugging Face's hub writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_CARD = "README.md"
_FENCE = "---"
_LONGEST = 1_000_000


def class_names_in_card(folder: Path) -> dict[str, list[str]]:
    """Return the names of the classes of each column that the card of a data set in a folder names.

    Nothing where there is no card, where its configurations name different ones, or without the library for YAML.
    """
    try:
        import yaml
    except ImportError:
        return {}
    text = _head_of(folder / _CARD)
    if "class_label" not in text or "*" in text:  # an alias may unfold to any size
        return {}
    try:
        card = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - every scalar is a text
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    infos = card.get("dataset_info") if isinstance(card, Mapping) else None
    named = [names for info in (infos if isinstance(infos, list) else [infos]) if (names := _class_names(info))]
    return named[0] if named and all(names == named[0] for names in named) else {}


def _head_of(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            return ""
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, ValueError):
        return ""
    before, fence, behind = text.partition(f"{_FENCE}\n")
    return behind.partition(f"\n{_FENCE}")[0] if fence and not before.strip() else ""


def _class_names(info: object) -> dict[str, list[str]]:
    features = info.get("features") if isinstance(info, Mapping) else None
    names: dict[str, list[str]] = {}
    for feature in features if isinstance(features, list) else []:
        kind = feature.get("dtype") if isinstance(feature, Mapping) else None
        label = kind.get("class_label") if isinstance(kind, Mapping) else None
        listed = label.get("names") if isinstance(label, Mapping) else None
        if isinstance(listed, Mapping) and list(listed) == [str(number) for number in range(len(listed))]:
            listed = list(listed.values())
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
            names[str(feature.get("name"))] = listed
    return names
