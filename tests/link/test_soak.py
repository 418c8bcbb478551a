"""Hundreds of seeds; ``tests/link/soak.py --report docs/soak.md`` runs them too, and writes down what came of them."""

from __future__ import annotations

import pytest
from soak import outcomes

SEEDS = 300


@pytest.mark.soak
def test_no_seed_loses_or_repeats_anything():
    wrong = [str(one) for one in outcomes(1, SEEDS, minutes=60, workers=3) if not one.is_right]
    assert not wrong, "\n".join(wrong)
