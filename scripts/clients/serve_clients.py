"""Serve small models, and run the tests of this folder against them with the Python that has the clients."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.contract.test_models import PLUGS, examples
from tests.served import KEY, linear_bundle, seal, serve
from tests.written import writing_bundle


def main(python: str, *arguments: str) -> int:
    """Return the status of pytest."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = examples(40)
        (folder / "encoder").mkdir()
        PLUGS["encoder"](rows, folder / "encoder")
        encoder = seal(folder / "encoder", "encoder", sorted({row.target for row in rows}))
        tale = writing_bundle(folder / "tale", is_endless=True)
        mail, spam = linear_bundle(folder / "mail"), linear_bundle(folder / "spam", ("no", "yes"))
        with serve(tale, f"story={tale}", mail, spam, encoder) as server:
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            environment |= {"OCKHAM_TEST_SERVER": server.address, "OCKHAM_API_KEY": KEY}
            command = [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
            # A client of langchain keeps its connections for all tests, and so its event loop.
            command += [f"-oasyncio_default_{of}_loop_scope=session" for of in ("test", "fixture")]
            command += ["-c", os.devnull, "--rootdir", scratch, str(Path(__file__).parent), *arguments]
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
