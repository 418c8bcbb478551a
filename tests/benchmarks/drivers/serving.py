"""A driver's end of the harness: requests come as JSON lines, each is answered by one. Standard library only.

What a driver measures is between the moment in which its user would press a key and the one in which its user would
see the answer: the harness's own pipe is outside.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO

Answer = dict[str, Any]
Measure = Callable[[str], float | Answer]
"""Takes a request; returns the value, or ``{"value": …, "trace": [[step, offset_s], …], "lost": share}``."""


def serve(driver: AbstractContextManager[Measure]) -> None:
    """Says that it is ready, then measures until its input is closed. What is printed meanwhile goes to the log.

    A failure is the last answer: ``{"error": TRACEBACK}``.
    """
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        try:
            _serve(driver, answers)
        except Exception:
            answers.write(json.dumps({"error": traceback.format_exc()}) + "\n")
            raise


def _serve(driver: AbstractContextManager[Measure], answers: TextIO) -> None:
    with driver as measure:
        answers.write("{}\n")
        for line in sys.stdin:
            found = measure(json.loads(line)["request"])
            answer = found if isinstance(found, dict) else {"value": found}
            answers.write(json.dumps(answer) + "\n")
