"""What a sealed command is told where its request is not sent."""

from __future__ import annotations

_WORDS = {
    b"ledger": (
        "the ledger of requests cannot be written, so nothing is sent",
        "free space on the disk that holds ~/.local/state/ockham, or set XDG_STATE_HOME to a folder on another one",
    ),
    b"refused": (
        "a sealed command sends to the address, and with the key, that its own flags name, and to no other",
        "name them: --endpoint URL --endpoint-key-env NAME",
    ),
}


class RefusedError(Exception):
    """The process that speaks will not send this, now or later; ``words`` say why, and what to do."""

    def __init__(self, reason: bytes) -> None:
        """Take the word that it gave."""
        self.words = _WORDS.get(reason, ("the process that asks the endpoint gave no reason", "please report this"))
        super().__init__(self.words[0])
