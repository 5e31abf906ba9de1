"""What every test may count on: nothing is written to the caches of the person who runs them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.at_start import sitecustomize as at_start
from tests.few_mails import write_few_mails

from ockham import machine
from ockham.convert.gguf_export import Converter
from ockham.sealed import switches

# A test's process is one of ours: it fetches nothing either.
switches.apply(os.environ, own=True)
# Tests run side by side, a process for each core, on models so small that threads cost several times what they save:
# the tests of decoder tuning took 92 s of processor time with two threads and 25 s with one. Who measures sets it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The processes that tests start time models as briefly as this one does.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(at_start.__file__).parent), os.environ.get("PYTHONPATH")])
)

# Python keeps what it has compiled, whatever the environment says. Without it each of the many processes that tests
# start compiles what it imports of ockham, and each worker rewrites the assertions of all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The libraries that tests import are some million objects that stay. Searching them for garbage took two fifths of the
# collection's processor time and a fifth of the tests'.
gc.disable()

KILLED = ("test_tune_kill.py", "test_fit_kill.py", "test_curate_kill.py")
"""The files whose tests the option --kills is for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever has the time kill runs more often than ten times, and ask each route more often than 100."""
    parser.addoption(
        "--kills", type=int, default=10, help="how often a fit, a curation and each kind of tuning is killed (10)"
    )
    parser.addoption("--examples", type=int, default=100, help="how many bodies schemathesis sends to each route (100)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give what is killed more often as much more time."""
    often = config.getoption("kills") / 10
    for item in items:
        if item.path.name in KILLED:
            item.add_marker(pytest.mark.timeout(600 * max(1, often)))


def pytest_collection_finish() -> None:
    """Search for garbage again, without what was imported and collected, and less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is learnt apart; only the machine code of the kernels, which takes long to make, is shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCKHAM_KERNELS", os.environ.get("OCKHAM_KERNELS") or str(machine.cache()))
        # Models that were fetched before would be climbed.
        for name in ("HF_HOME", "HF_HUB_CACHE"):
            patch.delenv(name, raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def converter() -> Iterator[Converter]:
    """One converter to GGUF for every test of this process: what it needs takes seconds to import."""
    with Converter() as shared:
        yield shared


@pytest.fixture(scope="session")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a third of the example's mails."""
    return write_few_mails(tmp_path_factory.mktemp("mails") / "support_mail.csv")
