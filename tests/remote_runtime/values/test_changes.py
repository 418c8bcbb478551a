"""Which groups have changed since they were equal on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from round_trip import notebook

from farcell.remote_runtime.values.changes import Changes
from farcell.remote_runtime.values.digest import digest_of


def equal_on_both_sides(namespace: dict[str, Any]) -> Changes:
    """As after a transfer of everything."""
    changes = Changes(namespace)
    for group in changes.compare(namespace).changed:
        changes.equal(group)
    return changes


def changed(changes: Changes, *names: str) -> set[str]:
    return {" ".join(sorted(group)) for group in changes.compare(names).changed}


class Counted:
    """How often contents were looked at."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, variables: dict[str, Any], namespace: dict[str, Any]) -> bytes:
        self.times += 1
        return digest_of(variables, namespace)


def test_what_was_never_equal_has_changed():
    assert changed(Changes({"a": 1, "b": [2]}), "a", "b") == {"a", "b"}


def test_an_untouched_group_is_not_looked_at():
    counted = Counted()
    changes = Changes({"a": np.zeros(1000), "b": [1]}, counted)
    for group in changes.compare(["a", "b"]).changed:
        changes.equal(group)
    before = counted.times
    changes.touch(["b", "c"])
    assert not changed(changes, "a")
    assert counted.times == before


def test_a_group_that_was_only_read_is_the_same_and_looked_at_once():
    counted = Counted()
    changes = Changes({"a": [1]}, counted)
    changes.equal(frozenset({"a"}))
    changes.touch(["a"])
    assert not changed(changes, "a")
    before = counted.times
    assert not changed(changes, "a")
    assert counted.times == before


def test_a_name_bound_anew_has_changed_although_nobody_saw_it():
    namespace: dict[str, Any] = {"a": [1], "n": 1}
    changes = equal_on_both_sides(namespace)
    namespace |= {"a": [2], "n": 2}
    assert changed(changes, "a", "n") == {"a", "n"}


def test_a_name_that_is_gone_is_told():
    namespace: dict[str, Any] = {"a": [1], "n": 1}
    changes = equal_on_both_sides(namespace)
    del namespace["n"]
    changes.touch(["n"])
    assert changes.compare(["a", "n", "never"]).gone == {"n"}


def test_a_new_view_joins_the_group_and_makes_it_another():
    namespace: dict[str, Any] = {"a": np.arange(4.0), "c": [1]}
    changes = equal_on_both_sides(namespace)
    namespace["b"] = namespace["a"][1:]
    changes.touch(["a", "b"])
    assert changed(changes, "b", "c") == {"a b"}


def test_a_view_of_something_untouched_joins_it_too():
    namespace: dict[str, Any] = {"a": np.arange(4.0)}
    changes = equal_on_both_sides(namespace)
    namespace["b"] = namespace["a"][1:]
    assert changed(changes, "b") == {"a b"}


def test_an_alias_that_became_a_copy_has_changed():
    namespace: dict[str, Any] = {"a": [1]}
    namespace["b"] = [namespace["a"], namespace["a"]]
    changes = equal_on_both_sides(namespace)
    namespace["b"][1] = [1]
    changes.touch(["b"])
    assert changed(changes, "a") == {"a b"}


def test_a_group_that_fell_apart_has_changed():
    namespace: dict[str, Any] = {"a": [1]}
    namespace["b"] = [namespace["a"]]
    changes = equal_on_both_sides(namespace)
    namespace["b"][0] = [1]
    changes.touch(["b"])
    assert changed(changes, "a", "b") == {"a", "b"}


def test_what_can_not_be_sent_counts_as_changed_once_it_is_touched():
    namespace: dict[str, Any] = {"a": (n for n in "ab")}
    changes = equal_on_both_sides(namespace)
    assert not changed(changes, "a")
    changes.touch(["a"])
    assert changed(changes, "a") == {"a"}


def test_whatever_runs_on_may_touch_anything():
    namespace: dict[str, Any] = {"a": [1], "b": [1]}
    changes = equal_on_both_sides(namespace)
    namespace["a"].append(2)
    assert not changed(changes, "a")
    assert changes.compare(["a", "b"], running=["thread loader"]).changed == (frozenset("a"),)


def test_after_something_opaque_everything_is_compared():
    namespace: dict[str, Any] = {"a": [1], "b": {"x": 1}, "c": 1}
    changes = equal_on_both_sides(namespace)
    namespace["b"]["x"] = 2
    changes.touch_everything()
    assert changed(changes, "a", "b", "c") == {"b"}


def test_another_far_side_has_nothing():
    namespace: dict[str, Any] = {"a": [1], "c": 1}
    namespace["b"] = [namespace["a"]]
    changes = equal_on_both_sides(namespace)
    changes.forget(["a"])
    assert changed(changes, "a", "b", "c") == {"a b"}


def test_a_digest_that_is_known_is_not_made_again():
    counted = Counted()
    changes = Changes({"a": [1]}, counted)
    changes.equal(frozenset({"a"}), digest_of({"a": [1]}, {}))
    changes.touch(["a"])
    assert not changed(changes, "a")
    assert counted.times == 1


NOTEBOOK = """
import numpy as np, pandas as pd
x = np.zeros(100_000)
view = x[10:].reshape(-1, 10)
items = [[1], {'k': (1, [2])}]
frame = pd.DataFrame({'a': np.arange(1000), 'b': ['s'] * 1000})
data = bytearray(1000)
class A:
    n = 0
    def __init__(self): self.items = items
    def bump(self): type(self).n += 1
a = A()
def make():
    count = 0
    def up():
        nonlocal count
        count += 1
    def get(): return count
    return up, get
up, get = make()
def store(v): x[12345] = v
def remember(v, seen=[]): seen.append(v)
up_later = [up]
"""
MUTATIONS = {
    "x[12345] = 1": "x",
    "x[-1] += 1e-300": "x",
    "view[7, 3] = 2": "x",
    "x.flags.writeable = False": "view",
    "x.T[::-1][3] = 5": "view",
    "store(3)": "x",
    "items[1]['k'][1].append(3)": "a",
    "a.items[0][0] = 5": "items",
    "a.bump()": "A",
    "A.more = 1": "a",
    "a.more = 1": "a",
    "frame.iloc[999, 0] = -1": "frame",
    "frame.loc[500, 'b'] = 't'": "frame",
    "frame['c'] = 1": "frame",
    "frame.columns = ['a', 'z']": "frame",
    "frame.attrs['unit'] = 'm'": "frame",
    "frame.index.name = 'i'": "frame",
    "data[999] = 1": "data",
    "memoryview(data)[5:6] = b'x'": "data",
    "up()": "get",
    "up_later[0]()": "get",
    "remember(1)": "remember",
    "remember.note = 1": "remember",
    "store.__defaults__ = (1,)": "store",
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_in_place_is_noticed(mutation):
    """Through whichever name it was made, and whichever one asks about."""
    namespace = notebook(NOTEBOOK)
    names = [name for name in namespace if not name.startswith("__") and name not in {"np", "pd"}]
    changes = Changes(namespace)
    for group in changes.compare(names).changed:
        changes.equal(group)
    changes.touch_everything()
    assert not changed(changes, *names)
    exec(mutation, namespace)
    changes.touch_everything()
    assert len(found := changed(changes, *names)) == 1
    assert MUTATIONS[mutation] in found.pop().split()


@settings(max_examples=40)
@given(graphs.variables(things=True), st.data())
def test_any_change_in_any_graph_is_noticed(variables, data):
    changes = equal_on_both_sides(variables)
    changes.touch_everything()
    assert not changed(changes, *variables)
    name = data.draw(st.sampled_from(sorted(variables)))
    mutate = _mutation(variables[name], data.draw)
    if mutate is None:
        return
    mutate()
    changes.touch([name])
    assert any(name in group.split() for group in changed(changes, *variables))


def _mutation(value: Any, draw: Callable[..., Any]) -> Callable[[], Any] | None:  # noqa: PLR0911
    match value:
        case np.ndarray() if value.size and value.flags.writeable:
            index = draw(st.integers(0, value.size - 1))
            return lambda: value.flat.__setitem__(index, 12345)
        case list():
            return lambda: value.insert(draw(st.integers(0, len(value))), "new")
        case dict():
            return lambda: value.__setitem__("new", 1)
        case set():
            return lambda: value.add("new")
        case bytearray() if value:
            return lambda: value.__setitem__(draw(st.integers(0, len(value) - 1)), 7 if value[0] != 7 else 8)
        case graphs.Thing():
            return lambda: setattr(value, "new", [1])
    return None


def test_one_changed_byte_of_many_is_another_digest():
    array = np.zeros(3_000_000, "u1")
    before = digest_of({"a": array}, {})
    array[2_345_678] = 1
    assert digest_of({"a": array}, {}) != before


def test_lengths_are_part_of_a_digest():
    assert digest_of({"a": [b"ab", b"c"]}, {}) != digest_of({"a": [b"a", b"bc"]}, {})


def test_a_digest_without_blake3_is_as_good(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "blake3", None)
    frame = pd.DataFrame({"a": [1, 2]})
    before = digest_of({"a": frame}, {})
    assert digest_of({"a": frame}, {}) == before
    frame.iloc[0, 0] = 2
    assert digest_of({"a": frame}, {}) != before
