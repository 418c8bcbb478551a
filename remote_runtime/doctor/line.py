"""One line of what the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """`LACKS`: it works without, but less well. `MISSING`: a gateway that is set up so can't work."""

    OK = "ok"
    LACKS = "lacks"
    MISSING = "missing"

    @property
    def mark(self) -> str:
        return {"ok": "✓", "lacks": "\u2013", "missing": "✗"}[self.value]


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at, what was found, and what to do about it, if anything."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""


def ok(check: str, found: str) -> Line:
    return Line(check, Verdict.OK, found)


def lacks(check: str, found: str, fix: str) -> Line:
    return Line(check, Verdict.LACKS, found, fix)


def missing(check: str, found: str, fix: str) -> Line:
    return Line(check, Verdict.MISSING, found, fix)
