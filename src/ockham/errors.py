"""What can go wrong.

OckhamError
├── InputError       the user's data, configuration or usage: exit status 2
│   ├── DataError    a file of examples          E_EMPTY E_ENCODING E_FORMAT E_NOT_REGULAR E_CHANGED E_IO E_COLUMN
│   │                                            E_LABEL_… E_TOO_FEW
│   ├── ConfigError  a setting                   E_CONFIG
│   ├── ModelError   a model file or folder      E_MODEL_FORMAT E_MODEL_DIGEST E_MODEL_MISSING
│   │                                            E_REMOTE_CODE E_TELEMETRY
│   │                                            E_PARITY E_DOWNLOAD E_LICENCE E_MODEL_BUSY
│   ├── BundleError  a bundle                    E_BUNDLE
│   ├── RunError     a run folder                E_RUN_LOCKED E_RUN_CHANGED E_RUN_MISSING
│   ├── PlugError    a filter or scorer          E_PLUG
│   ├── EndpointError  a named API               E_ENDPOINT
│   ├── ConsentError   where rows would go       E_CONSENT
│   └── SealError    sealed mode                 E_SEALED
├── StoreError       the disk                    E_DISK                        exit status 2
└── Defect           a fault of ours             E_DEFECT                      exit status 1

A message says what happened and where (file, record, byte); ``fix`` is the next command or step. Neither ever holds a
value from the user's data.
"""

from __future__ import annotations

from ockham.printable import printable


class OckhamError(Exception):
    """Everything this package raises on purpose."""

    exit_status = 2

    def __init__(self, code: str, message: str, *, fix: str) -> None:
        """Say what happened (``message``), under which stable ``code``, and what to do next (``fix``).

        Names of files, columns and settings are others' words: both texts are made printable.
        """
        self.code = code
        self.message = printable(message)
        self.fix = printable(fix)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the whole error on two lines."""
        return f"{self.code}: {self.message}\n  next: {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling between processes."""
        return _rebuild, (type(self), self.code, self.message, self.fix)


class InputError(OckhamError):
    """What the user gave cannot be used."""


class DataError(InputError):
    """A file or table of examples cannot be used."""


class ConfigError(InputError):
    """A setting is unknown, of the wrong type or out of range."""


class ModelError(InputError):
    """A model file or folder cannot be used."""


class BundleError(InputError):
    """A folder is not a bundle, or not whole."""


class RunError(InputError):
    """A run folder is busy, missing, or belongs to other work."""


class PlugError(InputError):
    """A filter or scorer of another package failed, or is not what it should be."""


class EndpointError(InputError):
    """A named API refused or failed for good."""


class ConsentError(InputError):
    """Rows or a key would go where this call did not say."""


class SealError(InputError):
    """A process cannot be sealed off from the network here."""


class StoreError(OckhamError):
    """The disk refused; what was saved before is whole."""


class Defect(OckhamError):  # noqa: N818 - a plain word for a plain thing
    """A promise of our own was broken."""

    exit_status = 1


def _rebuild(kind: type[OckhamError], code: str, message: str, fix: str) -> OckhamError:
    return kind(code, message, fix=fix)
