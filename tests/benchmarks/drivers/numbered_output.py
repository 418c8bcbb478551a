"""A cell that shows the numbers from 0 on, and what of them came: all, some, or what must never be; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NumberedOutput:
    """`code` shows the first `count` numbers, each followed by white space, as text on stdout or as displays."""

    code: str
    count: int

    @classmethod
    def parse(cls, request: str) -> NumberedOutput:
        return cls(**json.loads(request))

    def lost(self, texts: Sequence[str]) -> float:
        """The share of the numbers that did not come; raises where one came twice, or not in its place."""
        came = "".join(texts).split()
        expected = [str(number) for number in range(self.count)]
        if came == expected:
            return 0.0
        distinct = set(came)
        missing = [number for number in expected if number not in distinct]
        if not missing:
            raise RuntimeError(
                f"{len(came)} numbers of {self.count} came, some of them twice or out of order"
            )
        return len(missing) / self.count


def text_of(msg_type: str, content: dict[str, Any]) -> str | None:
    """What an output shows; None where it is none of the cell's own."""
    if msg_type == "stream":
        return str(content["text"]) if content["name"] == "stdout" else None
    return str(content["data"]["text/plain"]) if msg_type == "display_data" else None
