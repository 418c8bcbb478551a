"""Generated variables: containers, arrays and objects that share parts and memory, and hold themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.binary(max_size=8),
    st.complex_numbers(allow_nan=False),
)
KEYS = st.one_of(st.integers(), st.text(max_size=4), st.tuples(st.integers(), st.booleans()))


class Thing:
    """Of a class that only pickle carries; it is a test's own, as a library's would be."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


@st.composite
def variables(draw: Callable[..., Any], *, things: bool) -> dict[str, Any]:
    """Up to eight names. `things`: with instances, which pickle carries."""
    made: list[Any] = [np.arange(12.0), [1.5]]
    for _ in range(draw(st.integers(0, 10))):
        made.append(draw(_made_of(made, things=things)))
    for _ in range(draw(st.integers(0, 3))):
        _tie(draw, made)
    chosen = draw(st.lists(st.sampled_from(range(len(made))), min_size=1, max_size=8))
    return {f"v{index}": made[number] for index, number in enumerate(chosen)}


def _made_of(made: list[Any], *, things: bool) -> st.SearchStrategy[Any]:
    """Something new of atoms and of what there is."""
    part = st.one_of(ATOMS, st.sampled_from(range(len(made))).map(lambda index: made[index]))
    arrays = [one for one in made if isinstance(one, np.ndarray) and one.ndim]
    return st.one_of(
        st.lists(part, max_size=4),
        st.lists(part, max_size=3).map(tuple),
        st.dictionaries(KEYS, part, max_size=3),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
        st.binary(min_size=1, max_size=9).map(bytearray),
        st.lists(st.floats(), min_size=64, max_size=70),
        st.integers(0, 6).map(lambda size: np.arange(size * 2).reshape(size, 2, order="F")),
        st.lists(st.integers(), max_size=3).map(lambda items: np.array(items, dtype=object)),
        st.sampled_from(range(len(arrays))).map(lambda index: arrays[index][1:]),
        st.sampled_from(range(len(arrays))).map(lambda index: arrays[index][::-2]),
        st.sampled_from(range(len(arrays))).map(lambda index: arrays[index].T),
        *([st.builds(Thing, part=part, other=part)] if things else []),
    )


def _tie(draw: Callable[..., Any], made: list[Any]) -> None:
    """Puts one thing into another, or into itself."""
    holders = [one for one in made if isinstance(one, list | dict | Thing)]
    holder, part = draw(st.sampled_from(range(len(holders)))), draw(st.sampled_from(range(len(made))))
    match holders[holder]:
        case list() as items:
            items.append(made[part])
        case dict() as table:
            table["tied"] = made[part]
        case thing:
            thing.tied = made[part]
