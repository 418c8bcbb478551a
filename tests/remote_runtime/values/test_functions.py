"""The notebook's functions and classes, rebuilt on the other side with its namespace as their globals."""

from __future__ import annotations

import linecache
import types
from typing import Any

import pytest
from round_trip import Sending, encode, notebook, sent

from farcell.remote_runtime.values.code_source import NoSource, source_of
from farcell.remote_runtime.values.errors import CannotSend

LANES = {"as code": Sending(), "as source": Sending(code_as_source=True)}


@pytest.fixture(params=LANES)
def move(request, monkeypatch):
    """Runs a cell here, sends names of it, and gives the far namespace with them."""
    counted = iter(range(100))

    def move(source: str, *names: str, far: dict[str, Any] | None = None) -> dict[str, Any]:
        filename = f"<cell {next(counted)}>"
        monkeypatch.setitem(
            linecache.cache, filename, (len(source), None, source.splitlines(keepends=True), filename)
        )
        near: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(source, filename, "exec", dont_inherit=True), near)
        far = {"__name__": "__main__"} if far is None else far
        sent(encode({name: near[name] for name in names}, near, LANES[request.param]), far)
        return far

    return move


def test_a_function_reads_the_far_names(move):
    far = move("k = 3\ndef f(v): return v * k", "f", far={"k": 10})
    assert far["f"](1) == 10
    assert far["f"].__globals__ is far
    far["k"] = 20
    assert far["f"](1) == 20


def test_defaults_annotations_and_attributes(move):
    far = move("def f(a, b=[1], *, c={'x': 2}) -> int:\n  'says'\n  return a, b, c\nf.note = f", "f")
    assert far["f"](0) == (0, [1], {"x": 2})
    assert far["f"].__annotations__ == {"return": int}
    assert far["f"].__doc__ == "says"
    assert far["f"].note is far["f"]


def test_a_default_that_is_a_variable_stays_one(move):
    far = move("seen = []\ndef f(v, seen=seen):\n  seen.append(v)", "f", "seen")
    far["f"](1)
    assert far["seen"] == [1]


COUNTER = """
def make():
    n = 0
    def up():
        nonlocal n
        n += 1
    def get():
        return n
    return up, get
up, get = make()
cell = get.__closure__[0]
"""


def test_closures_share_their_cells(move):
    far = move(COUNTER, "up", "get", "cell")
    far["up"]()
    assert far["get"]() == 1 == far["cell"].cell_contents


def test_a_cell_without_contents(move):
    far = move("def make():\n  def f(): return x\n  return f\n  x = 1\nf = make()", "f")
    with pytest.raises(NameError):
        far["f"]()


def test_recursion_and_mutual_references(move):
    source = """
fact = lambda n: 1 if n < 2 else n * fact(n - 1)
def make():
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)
    return even
even = make()
def ping(n): return pong(n - 1) if n else 'ping'
def pong(n): return ping(n - 1) if n else 'pong'
"""
    far = move(source, "fact", "even", "ping", "pong")
    assert far["fact"](5) == 120
    assert far["even"](10)
    assert far["ping"](3) == "pong"


def test_the_right_one_of_two_lambdas_in_a_line(move):
    far = move("fs = [lambda x: x + 1, lambda x: x + 2, lambda x, y=3: x + y]", "fs")
    assert [f(0) for f in far["fs"]] == [1, 2, 3]


def test_what_a_decorator_made(move):
    source = """
import functools
def twice(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args), f(*args)
    return wrapper
@twice
def f(v): return v * k
@functools.lru_cache(maxsize=7)
def g(v): return v + k
part = functools.partial(f, 2)
"""
    far = move(source, "f", "g", "part", far={"k": 10})
    assert far["f"](1) == (10, 10)
    assert far["g"](1) == 11
    assert far["g"].cache_parameters()["maxsize"] == 7
    assert far["part"]() == (20, 20)


CLASSES = """
class Base:
    count = 0
    def __init__(self): self.made = self.bump()
    @classmethod
    def bump(cls):
        cls.count += 1
        return cls.count
class Child(Base):
    __hidden = 5
    def __init__(self, other=None):
        super().__init__()
        self.other = other
    @property
    def hidden(self): return self.__hidden * k
    @staticmethod
    def make(): return Child()
    def own(self): return __class__
    __call__ = lambda self: k
child = Child(Child())
bound = child.own
"""


def test_a_class_with_all_kinds_of_methods(move):
    far = move(CLASSES, "Base", "Child", "child", "bound", far={"k": 10})
    assert far["child"].hidden == 50
    assert far["child"]() == 10
    assert far["child"].own() is far["Child"] is far["bound"]() is type(far["child"].other)
    assert issubclass(far["Child"], far["Base"])
    assert far["Child"]().made == 3


def test_an_enum_and_a_dataclass(move):
    source = """
import enum, dataclasses
class E(enum.Enum):
    A = 1
@dataclasses.dataclass(frozen=True)
class D:
    e: E = E.A
    n: list = dataclasses.field(default_factory=list, hash=False)
    def more(self): return k
d = D()
"""
    far = move(source, "E", "D", "d", far={"k": 10})
    assert far["d"] == far["D"](far["E"].A)
    assert far["d"].more() == 10
    assert repr(far["D"](n=[1])) == "D(e=<E.A: 1>, n=[1])"
    assert hash(far["d"]) == hash(far["D"]())
    with pytest.raises(AttributeError, match="cannot assign"):
        far["d"].e = 1


def test_generators_and_coroutines(move):
    far = move("def g(n):\n  for i in range(n): yield i * k\nasync def c(): return k", "g", "c", far={"k": 2})
    assert list(far["g"](3)) == [0, 2, 4]
    with pytest.raises(StopIteration) as ended:
        far["c"]().send(None)
    assert ended.value.value == 2


def test_a_function_of_a_module_is_that_of_the_module(move):
    import json
    import os.path

    far = move("from os.path import join\nimport json\ndumps = json.dumps", "join", "json", "dumps")
    assert far["join"] is os.path.join
    assert far["json"] is json
    assert far["dumps"] is json.dumps


def test_a_module_travels_by_its_name():
    assert sent(encode({"t": types}, {}))["t"] is types


def test_source_that_changed_since_is_not_sent_for_what_ran():
    near = notebook("def f(): return 1")
    code = near["f"].__code__
    with pytest.raises(NoSource, match="f is not known here"):
        source_of(code)
    with pytest.raises(CannotSend, match="the source of f is not known here"):
        encode({"f": near["f"]}, near, Sending(code_as_source=True))


def test_source_that_was_run_under_a_future_is_compiled_under_it(monkeypatch):
    lines = ["def f(a: missing): pass\n"]
    monkeypatch.setitem(linecache.cache, "<future>", (len(lines[0]), None, lines, "<future>"))
    import __future__

    flags = __future__.annotations.compiler_flag
    near: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(lines[0], "<future>", "exec", flags, dont_inherit=True), near)
    far = sent(encode({"f": near["f"]}, near, Sending(code_as_source=True)))
    assert far["f"].__annotations__ == {"a": "missing"}
