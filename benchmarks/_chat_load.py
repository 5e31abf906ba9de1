"""What Locust sends: one message to the chat API, again and again. Set by MODEL, KEY and TEXT of the environment."""

from __future__ import annotations

import os
from typing import Any

from locust import HttpUser, task  # type: ignore[import-not-found]


class ChatUser(HttpUser):  # type: ignore[misc]
    """A client that asks again as soon as it is answered."""

    @task  # type: ignore[untyped-decorator]
    def ask(self) -> None:
        """Ask once."""
        body: dict[str, Any] = {
            "model": os.environ["MODEL"],
            "messages": [{"role": "user", "content": os.environ["TEXT"]}],
        }
        self.client.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {os.environ['KEY']}"})
