# ruff: noqa: N802 - the names of the tests carry the IDs of the faults as the catalogue writes them
"""Settings: TOML read safely, and plain values built into a frozen Spec with strict names, types and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham import config
from ockham.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    size: int = field(default=3, metadata={"min": 1, "max": 9})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    data: str
    lr: float = field(default=1e-4, metadata={"above": 0, "max": 1})
    batch: int = field(default=8, metadata={"min": 1, "max": 4096})
    epochs: int = field(default=3, metadata={"min": 1, "max": 1000})
    rank: int = field(default=8, metadata={"min": 1, "max": 1024})
    seed: int = field(default=0, metadata={"min": 0})
    shuffle: bool = True
    task: Literal["classify", "extract"] = "classify"
    inputs: tuple[str, ...] = ()
    shares: tuple[float, ...] = field(default=(0.5,), metadata={"above": 0, "below": 1})
    pair: tuple[int, str] = (1, "a")
    group: str | None = None
    limit: int | float | None = None
    out: Path = Path("runs")
    prices: Mapping[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


def said(caught: pytest.ExceptionInfo[ConfigError]) -> str:
    assert caught.value.code == "E_CONFIG"
    assert caught.value.fix
    return f"{caught.value.message} | {caught.value.fix}"


def build(**values: Any) -> Spec:
    return config.build(Spec, {"data": "d.csv", **values}, "ockham.toml [fit]")


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "ockham.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_becomes_a_spec(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[fit]\ndata = "d.csv"\nlr = 1e-3\nbatch = 16\nshuffle = false\ntask = "extract"\ninputs = ["a", "b"]\n'
        'shares = [0.1, 0.9]\npair = [4, "z"]\ngroup = "user"\nout = "over/there"\n'
        "[fit.prices]\nsmall = 1\n[fit.inner]\nsize = 9\n[predict]\n",
    )
    tables = config.load(path)
    assert sorted(tables) == ["fit", "predict"]
    assert config.build(Spec, tables["fit"], "ockham.toml [fit]") == Spec(
        data="d.csv",
        lr=1e-3,
        batch=16,
        shuffle=False,
        task="extract",
        inputs=("a", "b"),
        shares=(0.1, 0.9),
        pair=(4, "z"),
        group="user",
        out=Path("over/there"),
        prices={"small": 1.0},
        inner=Inner(size=9),
    )


def test_a_whole_number_is_a_number_and_becomes_one() -> None:
    built = build(lr=1)
    assert built.lr == 1.0
    assert type(built.lr) is float


def test_a_union_takes_the_kind_the_value_says() -> None:
    assert type(build(limit=3).limit) is int
    assert type(build(limit=3.0).limit) is float
    assert build(limit=None).limit is None


def test_a_spec_inside_a_spec_may_come_built(tmp_path: Path) -> None:
    assert build(inner=Inner(size=2), out=tmp_path).inner == Inner(size=2)


C01 = [
    ({"seeed": 1}, "no setting 'seeed'", "did you mean seed?"),
    ({"batch-size": 1}, "no setting 'batch-size'", "did you mean batch?"),
    ({"zzz": 1}, "no setting 'zzz'", "the known names are: batch, data,"),
    ({"inner": {"sise": 1}}, "inner: there is no setting 'sise'", "did you mean size?"),
    ({"task": "clasify"}, "task is not one of the choices", "did you mean classify?"),
    ({"task": 1}, "task is a whole number", "classify, extract"),
    ({"lr": "1e-4"}, "lr is text", "it must be a number"),
    ({"lr": True}, "lr is true or false", "it must be a number"),
    ({"batch": True}, "batch is true or false", "it must be a whole number"),
    ({"batch": 8.0}, "batch is a number", "it must be a whole number"),
    ({"batch": "010"}, "batch is text", "it must be a whole number"),
    ({"shuffle": "no"}, "shuffle is text", "it must be true or false"),
    ({"shuffle": 0}, "shuffle is a whole number", "it must be true or false"),
    ({"data": 3}, "data is a whole number", "it must be text in quotes"),
    ({"data": None}, "data is nothing", "it must be text in quotes"),
    ({"group": 3}, "group is a whole number", "it must be text in quotes"),
    ({"inputs": "text"}, "inputs is text", "it must be a list"),
    ({"inputs": ["a", 1]}, "inputs[1] is a whole number", "it must be text in quotes"),
    ({"pair": [1]}, "pair has 1 items", "it must have 2"),
    ({"prices": [1]}, "prices is a list", "it must be a table"),
    ({"prices": {"a": "b"}}, "prices, entry 1 is text", "it must be a number"),
    ({"inner": 3}, "inner is a whole number", "it must be a table"),
    ({"out": 3}, "out is a whole number", "it must be a path in quotes"),
    ({"out": "a\0b"}, "out holds a NUL character", "remove it"),
]


@pytest.mark.parametrize(("values", "message", "fix"), C01)
def test_C01_unknown_names_and_wrong_types_are_errors(values: dict[str, object], message: str, fix: str) -> None:
    """C01. Its YAML rows do not apply: TOML has none of YAML's implicit types, which the next test shows."""
    with pytest.raises(ConfigError) as caught:
        build(**values)
    assert message in caught.value.message
    assert caught.value.message.startswith("ockham.toml [fit]: ")
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shuffle = no", "not valid TOML"),
        ("batch = 010", "not valid TOML"),
        ("lr = 1e", "not valid TOML"),
        ("lr = 1e-4\nlr = 1e-4", "a name is given twice"),
        ("[fit]", "a name is given twice"),
        ("inputs = [1\n", "not valid TOML"),
        ("data = !!python/object:os.system", "not valid TOML"),
    ],
)
def test_C01_toml_does_not_guess(tmp_path: Path, line: str, message: str) -> None:
    """C01: ``no`` is not false, ``010`` is not eight, a name given twice does not silently win."""
    path = write(tmp_path, f"[fit]\n# a comment\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert message in said(caught)
    assert f"line {3 + line.count(chr(10)) + ('[1' in line)}" in caught.value.message


def test_C01_numbers_in_other_bases_are_written_as_such(tmp_path: Path) -> None:
    path = write(tmp_path, "[fit]\nbatch = 0o10\nlr = 1e-4\n")
    assert config.load(path)["fit"] == {"batch": 8, "lr": 1e-4}


BAD_NUMBERS = [-1, 0, 2**63, 10**30, -(2**64), math.nan, math.inf, -math.inf, 1e308]


@pytest.mark.parametrize("name", ["lr", "batch", "epochs", "rank"])
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_C03_numbers_out_of_range_are_errors_before_any_work(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**{name: value})
    assert f"ockham.toml [fit]: {name} is" in said(caught)


@pytest.mark.parametrize("value", [-1, 2**63, 2**64, 1.5, math.nan])
def test_C03_a_seed_is_a_whole_number_from_0_to_2_63_less_1(value: float) -> None:
    with pytest.raises(ConfigError):
        build(seed=value)
    assert build(seed=2**63 - 1).seed == 2**63 - 1


def test_C03_the_message_gives_the_whole_range_and_never_the_value() -> None:
    with pytest.raises(ConfigError) as caught:
        build(batch=987654)
    assert caught.value.fix == "it must be at least 1 and at most 4096"
    with pytest.raises(ConfigError) as caught:
        build(shares=[0.5, 1.0])
    assert caught.value.message.endswith("shares[1] is out of range")
    assert caught.value.fix == "it must be above 0 and below 1"
    assert "987654" not in said(caught)


@pytest.mark.parametrize("text", ["[fit]\nlr = nan\n", "[fit]\nlr = inf\n", "[fit]\nlr = 1e999\n"])
def test_C03_toml_s_own_words_for_no_number_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**config.load(write(tmp_path, text))["fit"])
    assert "lr is not finite" in said(caught)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        config.build(Spec, {}, "the command line")
    assert caught.value.message == "the command line: data is missing"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[fitt]\n", "no command has the table 'fitt' | did you mean fit?"),
        ("lr = 1\n", "'lr' stands outside any table"),
        (b"[fit]\nx = '\xff'\n", "line 2: not UTF-8 (byte 11)"),
        ("x = " + "[" * 5000, "too deep"),
        ("x = " + "9" * 5000, "too long"),
        (b"#" * 1_000_001, "larger than 1 MB"),
        ("[fit]\nx = '\0'\n", "line 2: not valid TOML"),
        ('[fit]\nkey = "SECRET', "not valid TOML"),
        ('[fit]\n"SECRET" = 1\n"SECRET" = 2\n', "given twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_without_its_content(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(tmp_path, content))
    assert message in said(caught)
    assert caught.value.message.startswith("ockham.toml")
    assert "SECRET" not in str(caught.value)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert config.load(write(tmp_path, b"\xef\xbb\xbf[fit]\n")) == {"fit": {}}


def test_a_folder_or_nothing_is_not_a_file(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "not a regular file"), (tmp_path / "no.toml", "there is no such file")):
        with pytest.raises(ConfigError) as caught:
            config.load(path)
        assert message in said(caught)


def test_c05_nothing_is_interpolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "SECRET")
    table = config.load(write(tmp_path, '[fit]\ndata = "${TOKEN}"\n'))["fit"]
    assert build(**table).data == "${TOKEN}"


def test_a_long_or_forged_name_is_shortened_and_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        build(**{"x\nERROR" + "y" * 500: 1})
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 120


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40)
@given(values=st.dictionaries(st.sampled_from([f for f in Spec.__slots__ if f != "data"]) | st.text(), VALUES))
def test_whatever_comes_in_a_spec_in_range_comes_out_or_a_config_error(values: dict[str, object]) -> None:
    try:
        built = config.build(Spec, {"data": "d", **values}, "here")
    except ConfigError:
        return
    assert type(built.lr) is float
    assert 0 < built.lr <= 1
    assert type(built.batch) is int
    assert 1 <= built.batch <= 4096
    assert type(built.shuffle) is bool
    assert all(type(item) is str for item in built.inputs)
