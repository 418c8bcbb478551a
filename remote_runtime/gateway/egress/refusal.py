"""What a client of the proxy is told in place of what it asked for."""

from __future__ import annotations


class Refusal(Exception):
    """An HTTP status and a sentence for a person; `decision` is the word in the log."""

    decision = "refused"

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Unreachable(Refusal):
    """Nothing forbids it, and yet it can't be reached."""

    decision = "failed"
