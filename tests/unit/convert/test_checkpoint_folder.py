"""Hugging Face folders and safetensors files that lie (faults M01, M02, M05, M06, A02, A03): refused unopened."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save, save_file

from ockham.convert import checkpoint_folder
from ockham.errors import ModelError

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64}
ARRAYS: dict[str, NDArray[Any]] = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(5, dtype=np.float16)}


def laid(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(shape: list[Any], begin: Any, end: Any, kind: Any = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("data.pkl", pickle.dumps({"a": 1}))
    return stream.getvalue()


BAD: dict[str, Callable[[], bytes]] = {
    "M01 pickle": lambda: pickle.dumps({"a": list(range(100))}),
    "M01 zip with a pickle inside": archive,
    "empty": lambda: b"",
    "header 0": lambda: laid(b"", b"1234567890"),
    "header 2^63": lambda: laid(b"{}", length=1 << 63),
    "header over the cap": lambda: laid(b"{}", b" " * 50, length=(16 << 20) + 1),
    "header longer than the file": lambda: laid(b"{}", length=500),
    "not UTF-8": lambda: laid(b'{"\xff": 1}'),
    "not JSON": lambda: laid(b"{,}"),
    "a list": lambda: laid(b"[1, 2]"),
    "deep": lambda: laid(b'{"a":' * 100_000),
    "a name twice": lambda: laid(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' * 2 + b'"b":1}', bytes(4)),
    "overlap": lambda: laid({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "gap": lambda: laid({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    "gap at the start": lambda: laid({"a": entry([1], 4, 8)}, bytes(8)),
    "offsets inverted": lambda: laid({"a": entry([1], 4, 0)}, bytes(4)),
    "offset negative": lambda: laid({"a": entry([1], -4, 0)}, bytes(4)),
    "shape and bytes differ": lambda: laid({"a": entry([3], 0, 8)}, bytes(8)),
    "product overflows": lambda: laid({"a": entry([2**33, 2**31], 0, 0)}),
    "shape negative": lambda: laid({"a": entry([-1, -2], 0, 8)}, bytes(8)),
    "shape of texts": lambda: laid({"a": entry(["2"], 0, 8)}, bytes(8)),
    "type unknown": lambda: laid({"a": entry([2], 0, 8, "X32")}, bytes(8)),
    "type a list": lambda: laid({"a": entry([2], 0, 8, ["F32"])}, bytes(8)),
    "entry is a number": lambda: laid({"a": 4}),
    "metadata not texts": lambda: laid({"__metadata__": {"a": 1}}),
    "cut off": lambda: save(ARRAYS)[:-1],
    "something behind": lambda: save(ARRAYS) + b"x",
}


@pytest.mark.parametrize("fault", BAD)
def test_m01_m02_a_file_that_is_not_whole_safetensors_is_refused(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(BAD[fault]())
    with pytest.raises(ModelError) as caught:
        checkpoint_folder.check_weights(path)
    assert caught.value.code == "E_MODEL_FORMAT"
    assert caught.value.message.startswith("model.safetensors is damaged")


HARMLESS: dict[str, Callable[[], bytes]] = {
    "whole": lambda: save(ARRAYS),
    "a name twice, the same place": lambda: laid(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "more than the three fields": lambda: laid({"a": {**entry([1], 0, 4), "x": 1}}, bytes(4)),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_passes_reads_as_arrays_of_the_file_and_no_more(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(HARMLESS[case]())
    checkpoint_folder.check_weights(path)
    arrays = load_file(path)
    assert 0 < sum(array.nbytes for array in arrays.values()) < path.stat().st_size


def test_a_file_that_cannot_be_read_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "model.safetensors", tmp_path):
        with pytest.raises(ModelError) as caught:
            checkpoint_folder.check_weights(path)
        assert caught.value.code == "E_MODEL_MISSING"
        assert caught.value.message.startswith(f"{path.name}: cannot be read (")


def accepted(path: Path) -> bool:
    try:
        checkpoint_folder.check_weights(path)
    except ModelError:
        return False
    return True


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_m02_what_passes_loads_within_the_file(data: st.DataObject, tmp_path: Path) -> None:
    raw = bytearray(save(ARRAYS))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, 120))] = data.draw(st.integers(32, 126))
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw)
    if accepted(path):
        with safe_open(path, "np") as whole:
            assert len(list(whole.keys())) <= len(ARRAYS)
    else:
        with pytest.raises(SafetensorError):
            load_file(path)


def model(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    save_file(ARRAYS, folder / "model.safetensors")
    return folder


def refused(
    folder: Path, check: Callable[[Path], checkpoint_folder.CheckpointFolder] = checkpoint_folder.check_model
) -> ModelError:
    with pytest.raises(ModelError) as caught:
        check(folder)
    return caught.value


def test_a_whole_folder_passes_and_its_digest_follows_its_files(tmp_path: Path) -> None:
    one = checkpoint_folder.check_model(model(tmp_path / "one"))
    assert one.architecture == "LlamaForCausalLM"
    assert [path.name for path in one.weights] == ["model.safetensors"]
    assert one.digest == checkpoint_folder.check_model(model(tmp_path / "two")).digest
    save_file({**ARRAYS, "b": np.zeros(5, dtype=np.float16)}, tmp_path / "two" / "model.safetensors")
    assert one.digest != checkpoint_folder.check_model(tmp_path / "two").digest


def test_m01_a_folder_with_pickles_only_is_refused_and_they_are_not_opened(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    error = refused(folder)
    assert (error.code, "never opened" in error.message) == ("E_MODEL_FORMAT", True)


@pytest.mark.parametrize("name", ["../../x.safetensors", "/etc/x.safetensors", "sub/model.safetensors", "..\\x"])
def test_m05_an_index_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / checkpoint_folder.INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    assert "outside the folder" in refused(folder).message


@pytest.mark.parametrize("listed", [["model.safetensors", "model-2.safetensors"], []])
def test_m05_an_index_and_the_files_must_name_each_other(listed: list[str], tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / checkpoint_folder.INDEX).write_text(
        json.dumps({"weight_map": {str(n): name for n, name in enumerate(listed)}})
    )
    assert "do not name each other" in refused(folder).message


def test_m11_links_are_followed_inside_the_hubs_cache_only(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--x" / "snapshots" / "abc"
    blobs = tmp_path / "models--x" / "blobs"
    snapshot.parent.mkdir(parents=True)
    blobs.mkdir()
    model(snapshot)
    (snapshot / "model.safetensors").rename(blobs / "weights")
    (snapshot / "model.safetensors").symlink_to("../../blobs/weights")
    assert checkpoint_folder.check_model(snapshot).digest
    (blobs / "weights").rename(tmp_path / "elsewhere")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert "outside the folder" in refused(snapshot).message


@pytest.mark.parametrize("key", sorted(checkpoint_folder.CODE_KEYS))
def test_m06_a_folder_that_asks_for_code_is_refused(key: str, tmp_path: Path) -> None:
    error = refused(model(tmp_path / "m", text_config={key: {"AutoModel": "evil.Model"}}))
    assert (error.code, key in error.message, "evil" in error.message) == ("E_REMOTE_CODE", True, False)


def test_a_missing_or_broken_configuration_is_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "config.json").write_text("{")
    assert "config.json is not JSON" in refused(folder).message
    (folder / "config.json").unlink()
    assert refused(folder).code == "E_MODEL_MISSING"


PEFT = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}


def adapter(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({**PEFT, **config}))
    save_file(ARRAYS, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "IA3"},
        {"r": 10**6},
        {"r": True},
        {"lora_alpha": float("nan")},
        {"lora_alpha": "16"},
        {"auto_mapping": {"base_model_class": "X"}},
        {"auto_mapping": {"base_model_class": "X", "parent_library": "os.path"}},
        {"auto_mapping": ["X"]},
        {"megatron_config": {"a": 1}},
        {"modules_to_save": ["lm_head"]},
    ],
)
def test_a02_an_adapters_settings_are_checked(config: dict[str, object], tmp_path: Path) -> None:
    named = {"base_model_class": "LlamaForCausalLM", "parent_library": "transformers.models.llama.modeling_llama"}
    checkpoint_folder.check_adapter(adapter(tmp_path / "whole", auto_mapping=named))
    assert refused(adapter(tmp_path / "a", **config), checkpoint_folder.check_adapter).code == "E_MODEL_FORMAT"


def test_a03_an_adapter_as_a_pickle_is_never_opened(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps({}))
    assert "never opened" in refused(folder, checkpoint_folder.check_adapter).message
