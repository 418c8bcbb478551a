import pytest

from farcell.remote_runtime.scheduler.reason import reason
from farcell.remote_runtime.scheduler.stock import Tally


@pytest.mark.parametrize(
    ("tallies", "count", "ahead", "sentence"),
    [
        ({"H100": Tally(2, held=2)}, 1, 0, "2 of 2 H100 are held"),
        ({"H100": Tally(2, held=2)}, 1, 1, "2 of 2 H100 are held; 1 ahead of you"),
        (
            {"H100": Tally(2, held=1, foreign=1)},
            1,
            0,
            "1 of 2 H100 is held, 1 is used by a process outside Farcell",
        ),
        ({"H100": Tally(2, foreign=2)}, 1, 0, "2 of 2 H100 are used by a process outside Farcell"),
        ({"H100": Tally(2, held=1, free=1)}, 2, 0, "1 of 2 H100 is held, 1 is free where 2 are asked for"),
        (
            {"H100": Tally(2, held=1, free=1)},
            1,
            3,
            "1 of 2 H100 is held, 1 is kept for those ahead; 3 ahead of you",
        ),
        (
            {"H100": Tally(1, held=1), "T4 (simulated)": Tally(4, held=4)},
            1,
            0,
            "1 of 1 H100 is held; 4 of 4 T4 (simulated) are held",
        ),
        ({"H100": Tally(2, held=1, free=1)}, 1, 0, "it starts next"),
    ],
)
def test_a_reason_names_what_stands_in_the_way(tallies, count, ahead, sentence):
    assert reason(tallies, count, ahead) == sentence
