"""Hundreds of seeds. ``tests/link/many_seeds.py SEED`` does one of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from docker_engine import DockerEngine
from many_seeds import outcomes
from seeds import Outcome
from soaking import SEEDS, Part, share

WORKERS = 3
IN_CONTAINERS = 200


@pytest.mark.soak("links, warm")
def test_no_seed_loses_or_repeats_anything(soaked: Callable[[str], Part], capsys: pytest.CaptureFixture[str]):
    found = outcomes(range(1, SEEDS + 1), WORKERS)
    judge(found, lambda one: soaked("links, cold" if one.is_cold else "links, warm"), capsys)


@pytest.mark.soak("links, containers")
def test_no_seed_loses_or_repeats_anything_in_containers(
    docker_engine: DockerEngine, soaked: Callable[[str], Part], capsys: pytest.CaptureFixture[str]
):
    found = outcomes(range(1, share(IN_CONTAINERS) + 1), WORKERS, docker_engine)
    judge(found, lambda _: soaked("links, containers"), capsys)


def judge(
    found: Iterable[Outcome], part_of: Callable[[Outcome], Part], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for one in found:
        with capsys.disabled():
            print(one)  # noqa: T201 (who waits for hours wants to see how it goes)
        part = part_of(one)
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
