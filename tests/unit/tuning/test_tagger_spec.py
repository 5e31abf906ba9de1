"""How an encoder's tagger is tuned: all layers where that takes minutes, else an adapter, or where it is asked for."""

from __future__ import annotations

import dataclasses

import pytest
from tests import tiny_encoder

from ockham.models import sentence_encoder
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.rungs.rung import BuildConfig
from ockham.rungs.tagger_rung import choose_spec
from ockham.tuning.tune_spec import TuneSpec

CONFIG = BuildConfig(task="extract", metric="f1_micro", seed=0, encoder=None, tune=TuneSpec(seed=7), endpoint=None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    return sentence_encoder.find(str(tiny_encoder.write(tmp_path_factory.mktemp("tiny") / "tiny", "bert")))


def test_all_layers_are_tuned_on_texts_that_are_short_together(tiny: SentenceEncoder) -> None:
    spec = choose_spec(CONFIG, tiny, [14] * 180)
    assert (spec.all_weights, spec.depth, spec.epochs, spec.batch, spec.seed) == (True, 1.0, 15, 16, 7)
    assert [choose_spec(CONFIG, tiny, [14] * rows).batch for rows in (30, 96, 1000)] == [4, 8, 16]
    assert spec.patience == spec.epochs, "it is tuned until the rate is nothing"
    assert choose_spec(CONFIG, tiny, [40] * 1000).epochs == 10, "more to read in each pass, fewer passes"
    assert choose_spec(CONFIG, tiny, [400] * 300) == CONFIG.tune, "long texts: an adapter"


def test_a_large_encoder_has_an_adapter(tiny: SentenceEncoder) -> None:
    large = dataclasses.replace(tiny, hidden=1024, layers=24)
    assert choose_spec(CONFIG, large, [14] * 180) == CONFIG.tune


def test_what_the_user_asks_for_stands(tiny: SentenceEncoder) -> None:
    asked = dataclasses.replace(CONFIG, learning_rate=1e-5, epochs=2, batch=4)
    spec = choose_spec(asked, tiny, [14] * 180)
    assert (spec.learning_rate, spec.epochs, spec.batch, spec.all_weights) == (1e-5, 2, 4, True)
    assert choose_spec(dataclasses.replace(CONFIG, rank=8), tiny, [14] * 180) == CONFIG.tune
