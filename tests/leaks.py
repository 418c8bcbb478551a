"""A pytest plugin: an async test leaves no task, thread, process or socket behind.

Everything is compared with what there was before the test's fixtures were set up. What a fixture of a wider scope makes
(a gateway for a whole module) belongs to that fixture, and is not held against the test that happened to need it first.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import psutil
import pytest

GRACE_S = 20.0  # for what ends on its own thread or process just after it was told to
Thing = tuple[str, str]  # its kind; how a person finds it

_of_wider_fixtures: set[Thing] = set()


def _sockets() -> Iterator[str]:
    """`socket:[inode]` of each open one; nothing where the system has no /proc."""
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:"):
            yield target


def _things() -> set[Thing]:
    children = psutil.Process().children(recursive=True)
    return {
        *(("thread", f"{thread.name} {thread.ident}") for thread in threading.enumerate()),
        *(("process", f"{child.pid} {child.name()}") for child in children if child.is_running()),
        *(("socket", name) for name in _sockets()),
    }


def _left(before: set[Thing]) -> set[Thing]:
    """What is there beyond `before`, after a short grace."""
    deadline = time.monotonic() + GRACE_S
    while left := _things() - before - _of_wider_fixtures:
        if time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.02)
    return left


def _is_async(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)


_before: pytest.StashKey[set[Thing]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    if _is_async(item):
        item.stash[_before] = _things()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    result = yield
    if _before in item.stash:
        left = _left(item.stash[_before])
        assert not left, f"the test left behind: {sorted(left)}"
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    if fixturedef.scope == "function":
        return (yield)
    before = _things()
    try:
        return (yield)
    finally:
        _of_wider_fixtures.update(_things() - before)


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> None:
    if _is_async(request.node):
        request.getfixturevalue("_no_task_left")


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    """Set up before the test's own fixtures, and so torn down after them, on the same loop."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    assert not left, f"the test left these tasks: {left}"
