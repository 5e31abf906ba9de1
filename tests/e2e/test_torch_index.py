"""Where PyTorch comes from: a machine without a card gets no graphics libraries, if the index for that answers."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts/torch_index.py"), run_name="torch_index")
choose_index, CPU_INDEX = SCRIPT["choose_index"], SCRIPT["CPU_INDEX"]


@pytest.mark.parametrize(
    ("named", "card", "platform", "answers", "index", "words"),
    [
        ("", False, "linux", True, CPU_INDEX, "has no NVIDIA card"),
        ("", False, "linux", False, "", "does not answer"),
        ("", True, "linux", True, "", "has an NVIDIA card"),
        ("", False, "darwin", True, "", "no graphics libraries"),
        ("off", False, "linux", True, "", "as you asked"),
        ("https://mirror.example/cpu", True, "linux", False, "https://mirror.example/cpu", "as you asked"),
    ],
)
def test_the_index_is_chosen_by_card_and_answer(
    named: str, card: bool, platform: str, answers: bool, index: str, words: str, tmp_path: Path
) -> None:
    if card:
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev/nvidiactl").touch()
    chosen, line = choose_index(named, tmp_path, platform, lambda _: answers)
    assert chosen == index
    assert words in line


def test_an_index_that_is_not_there_is_no_answer() -> None:
    assert SCRIPT["is_answering"]("http://127.0.0.1:9/torch/") is False
