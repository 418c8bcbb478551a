"""What can go wrong with values; plain exceptions, since the far kernel has nothing else of Farcell."""

from __future__ import annotations

from collections.abc import Iterable


class ValuesError(Exception):
    """`code` is stable, for the wire."""

    code = "values"


class CannotSend(ValuesError):
    """An object that neither lane can carry; `path` is how code gets at it: ``cfg["db"].conn``."""

    code = "cannot-send"

    def __init__(self, path: str, type_name: str, reason: str) -> None:
        self.path = path
        self.type_name = type_name
        self.reason = reason
        super().__init__(
            f"{path}: {type_name} can't be sent ({reason}); make it in the cell where it is used, "
            f"or take it out of what that cell reads"
        )


class NotTrusted(ValuesError):
    """A value that would have to be unpickled, from a side that is not trusted."""

    code = "not-trusted"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{', '.join(self.names)}: can only be had by unpickling, which runs code of the other side's choice, "
            "and that side is not trusted; arrays, tables, tensors and plain containers of these can be had"
        )


class Unreadable(ValuesError):
    """Encoded values that this side can't read; `reason` says what is wrong or missing."""

    code = "unreadable-values"
