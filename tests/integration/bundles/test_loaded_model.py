"""A loaded bundle answers texts, dicts and frames alike, in order, from many threads and from coroutines."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from tests.integration.serving.test_process import ROWS, bundle

import ockham
from ockham import store
from ockham.bundles.loaded_model import LoadedModel, load
from ockham.errors import BundleError, DataError
from ockham.models import linear
from ockham.records import Answer

TEXTS = [row.input for row in ROWS[:12]]
EXPECTED = linear.learn(ROWS, 1.0, seed=0, temperature=0.5).answer(TEXTS)


def seal(folder: Path, inputs: tuple[str, ...] = ("text",)) -> Path:
    """Seal the linear model of the rows as a bundle that reads the columns."""
    linear.learn(ROWS, 1.0, seed=0, temperature=0.5).save(folder)
    sealed = bundle(folder, "linear", sorted({row.target for row in ROWS}))
    if inputs != ("text",):
        manifest = dataclasses.replace(store.read_bundle(sealed), inputs=inputs, files={})
        (sealed / "bundle.json").unlink()
        store.seal_bundle(sealed, manifest)
    return sealed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with load(seal(tmp_path_factory.mktemp("bundle"))) as loaded:
        yield loaded


def test_texts_dicts_and_frames_have_the_answers_of_the_model(model: LoadedModel) -> None:
    dicts = [{"text": text, "other": "unused"} for text in TEXTS]
    for inputs in (TEXTS, tuple(TEXTS), dicts, pd.DataFrame(dicts), pl.DataFrame(dicts), pd.Series(TEXTS)):
        assert model.predict(inputs) == EXPECTED
    assert model.predict(TEXTS[0]) == model.predict(dicts[0]) == EXPECTED[:1]
    assert model.predict([]) == []


def test_it_says_what_it_is(model: LoadedModel) -> None:
    assert (model.name, model.task, model.inputs) == ("linear", "classify", ("text",))
    assert model.labels == tuple(sorted({row.target for row in ROWS}))
    assert ockham.load is load
    assert repr(model) == f"<LoadedModel linear: classify, {len(model.labels)} labels, reads text>"


def test_a_blank_text_has_no_answer_and_moves_no_other(model: LoadedModel) -> None:
    assert model.predict([TEXTS[0], "", " \n", TEXTS[1]]) == [
        EXPECTED[0],
        Answer(value=None),
        Answer(value=None),
        EXPECTED[1],
    ]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_text_of_a_column_has_no_answer(model: LoadedModel, missing: object) -> None:
    expected = [EXPECTED[0], Answer(value=None), EXPECTED[1]]
    texts = [TEXTS[0], missing, TEXTS[1]]
    assert model.predict(texts) == model.predict(pd.Series(texts, dtype=object)) == expected
    assert model.predict(pl.Series([TEXTS[0], None, TEXTS[1]])) == expected


def test_threads_and_coroutines_share_it(model: LoadedModel) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: model.predict([text])[0], TEXTS * 5))
    assert answers == EXPECTED * 5

    async def ask() -> list[list[Answer]]:
        return await asyncio.gather(*(model.predict_async([text]) for text in TEXTS))

    assert [answer for batch in asyncio.run(ask()) for answer in batch] == EXPECTED


def test_what_cannot_be_read_is_refused_with_the_columns(model: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input 2 is of type int, neither a text nor a dict"):
        model.predict([{"text": "a parcel"}, 7])
    with pytest.raises(DataError, match="1 of 2 inputs are texts, the others dicts; the first text is input 2"):
        model.predict([{"text": "a parcel"}, "a parcel"])
    with pytest.raises(DataError, match="no input has 'text', which the model reads"):
        model.predict([{"body": "a parcel"}])
    with pytest.raises(DataError, match="cannot be read from a int"):
        model.predict(7)
    with load(seal(tmp_path, ("subject", "body"))) as two:
        with pytest.raises(DataError, match=r"2 columns \(subject, body\)"):
            two.predict(["a parcel"])
        assert two.predict([]) == []
        assert two.predict([{"subject": "parcel", "body": "late"}])[0].value == "delivery"


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        load(tmp_path)


def test_after_closing_it_answers_no_more(tmp_path: Path) -> None:
    loaded = load(seal(tmp_path))
    loaded.close()
    loaded.close()
    with pytest.raises(BundleError, match="closed"):
        loaded.predict(["a parcel"])
