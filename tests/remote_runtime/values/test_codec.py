"""Values there and back: what they are, what they share, what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import socket
import sys
import threading
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from round_trip import PLAIN, notebook, plain_round_trip, round_trip, sent, shape_of

from farcell.remote_runtime.values.codec import Sending, decode, encode, needs_unpickling
from farcell.remote_runtime.values.errors import CannotSend, NotTrusted, Unreadable


@settings(max_examples=40)
@given(graphs.variables(things=False))
def test_plain_graphs_arrive_as_they_were(near):
    assert not encode(near, near, PLAIN).pickled
    assert shape_of(plain_round_trip(near)) == shape_of(near)


@settings(max_examples=40)
@given(graphs.variables(things=True))
def test_graphs_with_objects_arrive_as_they_were(near):
    assert shape_of(round_trip(near)) == shape_of(near)


@settings(max_examples=40)
@given(graphs.variables(things=True))
def test_views_share_memory_there_as_here(near):
    far = round_trip(near)
    arrays = [name for name, value in near.items() if isinstance(value, np.ndarray) and value.dtype != object]
    for one in arrays:
        for other in arrays:
            assert np.shares_memory(far[one], far[other]) == np.shares_memory(near[one], near[other])


@settings(max_examples=40)
@given(graphs.variables(things=True))
def test_the_same_variables_are_encoded_to_the_same_bytes(near):
    one, other = encode(near, near), encode(near, near)
    assert one.header == other.header
    assert [bytes(view) for view in one.buffers] == [bytes(view) for view in other.buffers]


ZONE = dt.timezone(dt.timedelta(hours=2))
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63, -(2**200), 10**5000, 1.5, float("inf"), -0.0, 1 + 2j, ...),
    *("", "é", "\ud800", "\ud83d\ude00", "\U0001f600", b"", b"\x00\xff", bytearray(), bytearray(b"abc")),
    *(range(1, 9, 2), slice(1, None, 2), decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=7)),
    *(
        dt.date(2024, 2, 29),
        dt.datetime(2024, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 (naive ones are values, too)
        dt.time(1, 2),
        dt.timedelta(1, 2, 3),
    ),
    *(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, tzinfo=ZONE)),
    *(
        [],
        (),
        {},
        set(),
        frozenset(),
        deque([1, 2], maxlen=2),
        [[]],
        ((),),
        {(1, "a"): {1: {2}}},
        {frozenset({1}): 1},
    ),
    *(
        [0.5] * 100,
        list(range(100)),
        [2**70] * 100,
        [True, 1, 1.0],
        tuple([0.5] * 100),
        set(range(100)),
        ["a"] * 100,
    ),
    *(
        np.float32(1.5),
        np.int8(-1),
        np.bool_(1),
        np.datetime64("2024-01-01", "D"),
        np.str_("a"),
        np.complex64(1j),
    ),
]


@pytest.mark.parametrize(
    "value",
    VALUES,
    ids=lambda value: (
        f"{type(value).__name__} {repr(value)[:20]}"
        if not isinstance(value, int) or abs(value) < 2**300
        else "a long int"
    ),
)
def test_a_plain_value_needs_no_pickle(value):
    far = plain_round_trip({"v": value})["v"]
    assert far == value
    assert type(far) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        dt.UTC,
        OrderedDict(a=1),
        type("Sub", (list,), {})([1]),
        len,
        int,
        dt,
        Sending(),
        SimpleNamespace(a=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_else_there_is_goes_with_pickle(value):
    encoded = encode({"v": value, "a": 1}, {}, PLAIN if not isinstance(value, Sending) else None)
    if not isinstance(value, Sending):
        assert encoded.pickled == ("v",)
    assert repr(sent(encoded)["v"]) == repr(value)


def test_aliases_stay_aliases():
    shared: list[Any] = [1]
    far = plain_round_trip({"a": shared, "b": {"x": shared, "y": (shared,)}})
    assert far["b"]["x"] is far["a"] is far["b"]["y"][0]


def test_an_alias_between_the_lanes_stays_one():
    array, items = np.arange(3), [1]
    far = round_trip({"thing": graphs.Thing(array=array, items=items), "array": array, "items": items})
    assert far["thing"].array is far["array"]
    assert far["thing"].items is far["items"]


def test_an_object_may_be_in_a_set_with_what_it_holds():
    thing = graphs.Thing()
    thing.own = {thing: [thing]}
    far = round_trip({"thing": thing, "all": [thing.own]})
    assert far["thing"].own[far["thing"]][0] is far["thing"]
    assert far["all"][0] is far["thing"].own


def test_a_bytearray_and_the_array_over_it_stay_one():
    data = bytearray(16)
    far = plain_round_trip({"data": data, "array": np.frombuffer(data, np.float64)})
    far["array"][0] = 1
    assert far["data"][:8] == np.float64(1).tobytes()


def test_a_view_alone_takes_only_its_own_memory_along():
    assert encode({"v": np.zeros(1_000_000)[5:7]}, {}).size_bytes < 1000


def test_gaps_that_nobody_sees_are_not_sent():
    far, size = np.arange(100_000)[::1000], encode({"v": np.arange(100_000)[::1000]}, {}).size_bytes
    assert size < 2000
    assert (plain_round_trip({"v": far})["v"] == far).all()


def test_nothing_is_copied_of_an_array():
    array = np.zeros(1000)
    (view,) = (view for view in encode({"v": array}, {}).buffers if view.nbytes)
    array[:] = 1
    assert bytes(view) == array.tobytes()


def test_buffers_that_can_be_written_to_become_the_memory():
    encoded = encode({"v": np.zeros(10)}, {})
    buffers = [bytearray(view) for view in encoded.buffers]
    far = decode(encoded.header, buffers, {}, trusted=False)["v"]
    buffers[0][:] = np.ones(10).tobytes()
    assert far[0] == 1


def test_buffers_that_can_not_are_copied():
    encoded = encode({"v": np.zeros(10)}, {})
    far = decode(encoded.header, [bytes(view) for view in encoded.buffers], {}, trusted=False)["v"]
    far[0] = 1


def test_arrays_inside_of_objects_go_out_of_band():
    encoded = encode({"v": graphs.Thing(array=np.zeros(100_000))}, {})
    assert max(view.nbytes for view in encoded.buffers) == 800_000
    assert encoded.size_bytes < 801_000


def test_many_containers_are_left_to_pickle_where_that_is_allowed():
    near = {"rows": [{"n": number, "items": [number]} for number in range(6000)], "array": np.arange(3)}
    near["rows"][0]["array"] = near["array"]
    assert encode(near, near).pickled == ("rows",)
    assert not encode(near, near, PLAIN).pickled
    for far in (round_trip(near), plain_round_trip(near)):
        assert far["rows"][0]["array"] is far["array"]
        assert shape_of(far) == shape_of(near)


def test_deep_nesting_is_no_matter():
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    far = plain_round_trip({"v": nested})["v"]
    depth = 0
    while far:
        far, depth = far[0], depth + 1
    assert depth == 5000


# dataclasses


@dataclass
class Point:
    x: float
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Key:
    name: str


@dataclass
class Counter(list):
    n: int = 0


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """As if one had them: this file is loaded under a name that nobody imports."""
    module = ModuleType("a_library")
    monkeypatch.setitem(sys.modules, "a_library", module)
    for one in (Point, Key, Counter):
        monkeypatch.setattr(one, "__module__", "a_library")
        setattr(module, one.__name__, one)


def test_a_dataclass_of_a_module_needs_no_pickle():
    point = Point(1.5, ["a"])
    point.tags.append(point)
    far = plain_round_trip({"p": point, "keys": {Key("a"): point}})
    assert type(far["p"]) is Point
    assert far["p"].tags[1] is far["p"] is far["keys"][Key("a")]


def test_an_instance_that_is_more_than_its_fields_needs_one():
    point = Point(1.5)
    point.more = 1
    assert encode({"p": point, "c": Counter(1)}, {}, PLAIN).pickled == ("p", "c")


NOTEBOOK = "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int\np = P(1)"


@pytest.fixture
def as_main(monkeypatch):
    def put(namespace):
        monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(**namespace))
        return namespace

    return put


def test_a_notebooks_dataclass_goes_by_name_to_who_does_not_trust(as_main):
    near = as_main(notebook(NOTEBOOK))
    encoded = encode({"p": near["p"]}, near, PLAIN)
    assert not encoded.pickled
    far = {"P": near["P"]}
    assert sent(encoded, far, trusted=False)["p"] == near["p"]


def test_a_notebooks_dataclass_that_is_missing_is_named(as_main):
    near = as_main(notebook(NOTEBOOK))
    with pytest.raises(Unreadable, match="class P of __main__ is not defined"):
        sent(encode({"p": near["p"]}, near, PLAIN), trusted=False)


# refusals


def test_pickle_from_a_side_that_is_not_trusted_is_refused_by_name():
    encoded = encode({"thing": graphs.Thing(), "n": 1}, {})
    assert needs_unpickling(encoded.header) == ("thing",)
    with pytest.raises(NotTrusted, match="thing: can only be had by unpickling") as refused:
        sent(encoded, trusted=False)
    assert refused.value.names == ("thing",)


class Bomb:
    """What it names is called by whoever unpickles it."""

    went_off = False

    def __reduce__(self) -> Any:
        return setattr, (Bomb, "went_off", True)


def test_a_pickle_bomb_does_not_go_off():
    encoded = encode({"b": Bomb()}, {})
    with pytest.raises(NotTrusted):
        sent(encoded, trusted=False)
    assert not Bomb.went_off


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ('["array",0,0,"<f8",[100],[8],true]', "can't be read"),
        ('["array",0,0,"|O",[1],[8],true]', "can't be read|no plain memory"),
        ('["array",0,-8,"<f8",[1],[8],true]', "can't be read"),
        ('["objects",[1],0,[100],[8],true]', "can't be read"),
        ('["objects",[1],-80,[1],[8],true]', "can't be read"),
        ('["dataclass","subprocess","Popen",["args"],["true"]]', "not the dataclass"),
        ('["dataclass","os","system",[],[]]', "not defined"),
        ('["dataclass","this","d",[],[]]', "not defined"),
        ('["tuple","",[[0]]]', "holds itself"),
        ('["tuple","x",0]', "packed"),
        ('["nonsense"]', "no kind"),
        ('["list","",[[7]]]', "no value 7"),
        ('["arrow","Table",[0]]', "can't be read"),
        ('["pandas array","Nonsense","int64"]', "no Nonsense"),
        ("{}", "no value 0"),
    ],
)
def test_what_no_encoder_writes_is_refused(node, said):
    nodes = f'[{node},["tuple","",[1,2]]]'
    header = f'{{"version":1,"order":["v"],"names":{{"v":[0]}},"nodes":{nodes},"segments":[[0,false]]}}'
    with pytest.raises(Unreadable, match=said):
        decode(header.encode(), [bytearray(16)], {}, trusted=False)


@pytest.mark.parametrize("header", [b"", b"[]", b'{"version":2}', b"\xff", b"[" * 100_000])
def test_a_header_that_is_none_is_refused(header):
    with pytest.raises(Unreadable):
        decode(header, [], {}, trusted=False)


# errors that name the path


class Config:
    __slots__ = ("conn",)


@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda conn: conn, "cfg: socket"),
        (lambda conn: {"db": SimpleNamespace(conn=conn)}, 'cfg["db"].conn: socket'),
        (lambda conn: [0, (conn,)], "cfg[1][0]: socket"),
        (lambda conn: {("a", 1): {2: conn}}, "cfg[tuple][2]: socket"),
        (lambda conn: lambda: conn, "cfg (its conn): socket"),
        (lambda conn: deque([conn]), "cfg[0]: socket"),
        (lambda conn: np.array([conn], dtype=object), "cfg.flat[0]: socket"),
    ],
)
def test_what_cant_be_sent_is_named_with_its_path(wrap, path):
    with socket.socket() as conn, pytest.raises(CannotSend) as refused:
        encode({"n": 1, "cfg": wrap(conn)}, {})
    assert f"{refused.value.path}: {refused.value.type_name}" == path
    assert str(refused.value).startswith(path + " can't be sent")


def test_a_slot_is_part_of_the_path():
    config = Config()
    config.conn = threading.Lock()
    with pytest.raises(CannotSend, match=r"cfg\.conn: lock can't be sent"):
        encode({"cfg": config}, {})


@pytest.mark.parametrize("make", [lambda: (n for n in "ab"), threading.current_thread])
def test_generators_and_threads_cant_be_sent(make):
    with pytest.raises(CannotSend, match=r"^v"):
        encode({"v": make()}, {})
