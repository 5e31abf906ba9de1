"""What tuning needs beside this package, checked and made quiet in one place."""

from __future__ import annotations

import importlib.util

from ockham.errors import ModelError

NEEDED = ("torch", "transformers", "peft")


def ready() -> None:
    """Check that the libraries are here, and keep transformers from talking while it loads a model.

    Raises `ModelError` (``E_MODEL_MISSING``) where one is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        message = f"{', '.join(NEEDED[:-1])} and {NEEDED[-1]} are needed for tuning"
        raise ModelError("E_MODEL_MISSING", message, fix="pip install 'ockham[tune]'")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
