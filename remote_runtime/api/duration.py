"""Durations as people type them."""

from __future__ import annotations

import re

from ..errors import BadRequest

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds in ``90``, ``10s``, ``5m``, ``1h``, ``1h30m``; raises `BadRequest` for anything else, and for nothing."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise BadRequest(f"{text!r} is not a duration: write one like 10s, 5m, 1h or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total_s = hours * 3600 + minutes * 60 + seconds
    if total_s <= 0:
        raise BadRequest(f"{text!r} is no time at all")
    return total_s
