"""Hundreds of seeds. ``tests/link/many_seeds.py SEED`` does one of them again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from many_seeds import outcomes
from soaking import SEEDS, Part

WORKERS = 3


@pytest.mark.soak("links, warm")
def test_no_seed_loses_or_repeats_anything(soaked: Callable[[str], Part], capsys: pytest.CaptureFixture[str]):
    wrong = []
    for one in outcomes(range(1, SEEDS + 1), WORKERS):
        with capsys.disabled():
            print(one)  # noqa: T201 (who waits for hours wants to see how it goes)
        part = soaked("links, cold" if one.is_cold else "links, warm")
        part.counts.update(
            {
                "seeds": 1,
                "lines": one.shown,
                "cuts": one.cuts,
                "lost": one.lost,
                "repeated": one.repeated,
                "twice or never run": int(one.runs != 1),
            }
        )
        if not one.is_right:
            part.failures.append(f"seed {one.seed}")
            wrong.append(str(one))
    assert not wrong, "\n".join(wrong)
