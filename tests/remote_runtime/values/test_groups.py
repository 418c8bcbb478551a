"""Which variables share something that can change."""

from __future__ import annotations

import functools
import json
import logging
import math
import threading
from typing import Any

import graphs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from round_trip import notebook

from farcell.remote_runtime.values.groups import groups


def grouped(variables: dict[str, Any]) -> set[str]:
    """``{"a b", "c"}``."""
    return {" ".join(sorted(group)) for group in groups(variables)}


SHARED: list[Any] = [1]
ARRAY = np.arange(10.0)
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
DATA = bytearray(8)
OWN = notebook(
    "def make():\n  n = []\n  return (lambda: n), (lambda: n)\none, other = make()\n"
    "class A:\n  all = []\na, b = A(), A()\n"
    "def f(seen=[]): return seen\ng = f\nimport functools\np = functools.partial(f)\n"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SHARED, SHARED),
        (SHARED, {"x": (SHARED,)}),
        ([SHARED], (1, [2, SHARED])),
        (ARRAY, ARRAY[2:4]),
        (ARRAY[:2], ARRAY[8:]),
        (ARRAY, {"view": ARRAY.reshape(2, 5).T}),
        (DATA, np.frombuffer(DATA, "u1")),
        (DATA, memoryview(DATA)[2:]),
        (np.array([SHARED, None], dtype=object), SHARED),
        (FRAME, FRAME["a"]),
        (FRAME, FRAME[:1]),
        (OWN["one"], OWN["other"]),
        (OWN["a"], OWN["A"]),
        (OWN["a"], OWN["b"]),
        (OWN["f"], OWN["p"]),
        (OWN["f"], OWN["f"].__defaults__[0]),
        (graphs.Thing(x=SHARED), SHARED),
        (SHARED.append, SHARED),
        (iter(SHARED), SHARED),
        (functools.partial(print, SHARED), SHARED),
    ],
)
def test_what_can_be_changed_through_both_is_one_group(one, other):
    assert grouped({"one": one, "other": other, "z": [SHARED is None]}) == {"one other", "z"}


@pytest.mark.parametrize(
    "shared",
    [
        1,
        "text",
        b"bytes",
        None,
        math,
        json.dumps,
        json.JSONEncoder,
        len,
        np.float64(1),
        np.dtype("f8"),
        logging.getLogger("x"),
        pd.Timestamp(0),
    ],
    ids=repr,
)
def test_atoms_and_what_modules_have_join_nothing(shared):
    assert grouped({"a": shared, "b": shared, "c": [shared], "d": {"x": shared}}) == {"a", "b", "c", "d"}


def test_instances_of_a_modules_class_are_no_group():
    assert grouped({"a": threading.Event(), "b": threading.Event()}) == {"a", "b"}


def test_groups_join_through_a_third():
    one, other = [1], [2]
    assert grouped({"a": one, "b": other, "c": (one, other), "d": [1]}) == {"a b c", "d"}


def test_cycles_of_any_depth_have_an_end():
    deep: list[Any] = []
    inner = deep
    for _ in range(20_000):
        inner.append([])
        inner = inner[0]
    inner.append(deep)
    assert grouped({"a": deep, "b": inner}) == {"a b"}


@settings(max_examples=40)
@given(graphs.variables(things=True))
def test_each_name_is_in_one_group_whatever_the_order(variables):
    found = grouped(variables)
    assert sorted(name for group in found for name in group.split()) == sorted(variables)
    assert grouped(dict(reversed(variables.items()))) == found
