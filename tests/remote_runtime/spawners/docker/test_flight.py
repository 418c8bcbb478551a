import asyncio

import pytest
from patience import until

from farcell.remote_runtime.api import BuildProgress
from farcell.remote_runtime.errors import BuildFailed, Unavailable
from farcell.remote_runtime.spawners.docker.flight import Flight


class Work:
    """Goes on until it is allowed to end; says how often it was begun and given up."""

    def __init__(self):
        self.begun = self.given_up = 0
        self.told = None
        self.may_end = asyncio.Event()
        self.error = None

    async def __call__(self, tell):
        self.begun += 1
        self.tell = tell
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error:
            raise self.error


def progress(step):
    return BuildProgress(step, 3, "x")


async def joined(flight, told):
    """A caller that waits already."""
    task = asyncio.create_task(flight.join(told.append))
    await asyncio.sleep(0)
    return task


async def test_all_hear_the_progress_and_the_end():
    work, first, late = Work(), [], []
    flight = Flight(work)
    tasks = [await joined(flight, first)]
    work.tell(progress(1))
    tasks.append(await joined(flight, late))
    work.tell(progress(2))
    work.may_end.set()
    await asyncio.gather(*tasks)
    assert first == [progress(1), progress(2)]
    assert late == [progress(1), progress(2)]
    assert work.begun == 1
    assert not flight.can_be_joined


async def test_it_goes_on_until_the_last_gives_up():
    work = Work()
    flight = Flight(work)
    one, other = await joined(flight, []), await joined(flight, [])
    one.cancel()
    await asyncio.wait([one])
    assert not work.given_up
    assert flight.can_be_joined
    other.cancel()
    await asyncio.wait([other])
    assert work.given_up == 1
    assert other.cancelled()
    assert not flight.can_be_joined


async def test_what_is_being_given_up_is_joined_by_nobody():
    work, may_go = Work(), asyncio.Event()

    async def slow(tell):
        try:
            await work(tell)
        finally:
            await may_go.wait()

    flight = Flight(slow)
    task = await joined(flight, [])
    task.cancel()
    await until(lambda: work.given_up)
    assert not flight.can_be_joined
    may_go.set()
    await flight.over()
    await asyncio.wait([task])


async def test_all_get_the_failure():
    work = Work()
    work.error = BuildFailed("no")
    flight = Flight(work)
    tasks = [await joined(flight, []), await joined(flight, [])]
    work.may_end.set()
    for task in tasks:
        with pytest.raises(BuildFailed):
            await task


async def test_who_waits_when_it_is_given_up_is_told_why():
    work = Work()
    flight = Flight(work)
    task = await joined(flight, [])
    await flight.give_up()
    with pytest.raises(Unavailable, match="about to end"):
        await task
    assert work.given_up == 1


async def test_a_failure_that_nobody_waits_for_is_no_warning():
    work = Work()
    work.error = BuildFailed("no")
    flight = Flight(work)
    await asyncio.sleep(0)
    work.may_end.set()
    await flight.over()
    await flight.over()
