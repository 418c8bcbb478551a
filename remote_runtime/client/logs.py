"""A session's log as clients ask for it: its end, or what has come since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..errors import GatewayUnreachable

WAIT_S = 20
"""How long the gateway waits for more before it answers that there is none."""


@dataclass(frozen=True, slots=True)
class LogWish:
    """The last `lines` (0: as many as one answer holds), or what came behind `cursor`; of one `source`, or of all."""

    lines: int = 0
    source: str = ""
    cursor: str = ""
    wait_s: int = 0

    def query(self) -> dict[str, str | int]:
        asked: dict[str, str | int] = {
            "lines": self.lines,
            "source": self.source,
            "cursor": self.cursor,
            "wait": self.wait_s,
        }
        return {name: value for name, value in asked.items() if value}


ALL_SOURCES = LogWish()


@dataclass(frozen=True, slots=True)
class LogPart:
    """`cursor` is where the next one begins; `over`: there will be none."""

    text: str
    cursor: str
    over: bool


def follow(
    ask: Callable[[LogWish], LogPart], wish: LogWish, lost: Callable[[GatewayUnreachable], None]
) -> Iterator[str]:
    """The log as it comes, until it is over.

    When the gateway does not answer, `lost` is called, which waits, or raises to give up; then the log goes on where it
    was, so that nothing is shown twice.
    """
    wish = replace(wish, wait_s=WAIT_S)
    while True:
        try:
            part = ask(wish)
        except GatewayUnreachable as error:
            lost(error)
            continue
        if part.text:
            yield part.text
        if part.over:
            return
        wish = replace(wish, cursor=part.cursor, lines=0)
