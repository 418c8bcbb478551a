"""The user's answers, which come on one socket for the cells that run here and for those that run far."""

from __future__ import annotations

import queue
from typing import Any

POLL_S = 0.05
"""How often a cell that waits here looks for an interrupt."""


class LocalAnswers:
    """From the loop that reads the socket to the thread in which a local cell waits."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def forget(self) -> None:
        """What was answered before the next question is nobody's."""
        while not self._answers.empty():
            self._answers.get()

    def put(self, content: dict[str, Any]) -> None:
        self._answers.put(content)

    def wait(self) -> str:
        """Raises `KeyboardInterrupt`, and `EOFError` as `input` does."""
        while True:
            try:
                value = str(self._answers.get(timeout=POLL_S).get("value", ""))
            except queue.Empty:
                continue
            if value == "\x04":
                raise EOFError
            return value
