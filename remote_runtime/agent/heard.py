"""Which messages a lease's clients have sent: after a break they send again what may not have arrived; pure."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 10_000


class Heard:
    """The newest ids, so many that none is forgotten while a client may still repeat it."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._remembered = remembered

    def is_new(self, msg_id: str | None) -> bool:
        """Notes the id. What has none is always new."""
        if not msg_id:
            return True
        if msg_id in self._ids:
            return False
        self._ids[msg_id] = None
        if len(self._ids) > self._remembered:
            self._ids.popitem(last=False)
        return True
