"""Why a session waits, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from .stock import Tally


def reason(tallies: Mapping[str, Tally], count: int, ahead: int) -> str:
    """Such as ``1 of 2 H100 is held, 1 is used by a process outside Farcell; 1 ahead of you``.

    `tallies` are those of the accepted offers by label, first choice first; `count` is what the first choice
    takes.
    """
    if not ahead and any(tally.free >= count for tally in tallies.values()):
        return "it starts next"
    clauses = [_clause(label, tally, count, ahead) for label, tally in tallies.items()]
    clauses += [f"{ahead} ahead of you"] if ahead else []
    return "; ".join(clauses)


def _clause(label: str, tally: Tally, count: int, ahead: int) -> str:
    facts = [
        (tally.held, "held"),
        (tally.foreign, "used by a process outside Farcell"),
        (tally.free, "kept for those ahead" if ahead else f"free where {count} are asked for"),
    ]
    (number, fact), *rest = [(number, fact) for number, fact in facts if number]
    first = f"{number} of {tally.total} {label} {_be(number)} {fact}"
    return ", ".join([first, *(f"{number} {_be(number)} {fact}" for number, fact in rest)])


def _be(number: int) -> str:
    return "is" if number == 1 else "are"
