"""What the notebook's functions read, wherever they lie."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from farcell.kernel.variables.reach import reached


def notebook(source: str) -> dict[str, Any]:
    """The namespace of a notebook in which a cell has run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace


SETTING = "k = 3\nbig = [0] * 9\n"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("def f(v): return v * k", "f"),
        ("def g(): return k\ndef f(): return g()", "f"),
        ("f = lambda: k", "f"),
        ("def f(): return [k for _ in big]", "f"),
        ("def f():\n  def inner(): return k\n  return inner", "f"),
        ("def make():\n  def inner(): return k\n  return inner\nf = make()\ndel make", "f"),
        ("class A:\n  def m(self): return k", "A"),
        ("class A:\n  def m(self): return k\na = A()", "a"),
        ("class A:\n  @staticmethod\n  def m(): return k\n", "A"),
        ("class A:\n  @property\n  def m(self): return k\n", "A"),
        ("class A:\n  def m(self): return k\nclass B(A): pass\nb = B()", "b"),
        ("class A:\n  def m(self): return k\nbound = A().m", "bound"),
        ("def f(): return k\nfs = [{'f': f}]", "fs"),
        ("def f(): return k\nimport functools\np = functools.partial(f)", "p"),
        ("def f(): return k\nimport functools\nc = functools.lru_cache(f)", "c"),
        ("def f(): return k\nimport functools\n@functools.wraps(f)\ndef w(): pass", "w"),
        ("def f(a=lambda: k): pass", "f"),
        ("def f():\n  class A:\n    x = k\n  return A", "f"),
        ("async def f(): return k", "f"),
        ("def f(frame): return frame.query('price > @k')", "f"),
        ("def f(): return f2()\ndef f2(): return f() + k", "f"),
    ],
)
def test_a_name_that_a_function_reads_is_reached(source, value):
    assert "k" in reached([value], notebook(SETTING + source)).reads


def test_names_that_nobody_reads_are_not_reached():
    found = reached(["f"], notebook(SETTING + "def f(big): return big.k"))
    assert found.reads == {"f"}


def test_functions_of_modules_are_not_followed():
    namespace = notebook("import functools\nreduce = functools.reduce")
    assert reached(["reduce", "functools"], namespace).reads == {"reduce", "functools"}
    assert functools.reduce.__name__ not in reached(["functools"], namespace).reads


def test_a_name_that_does_not_exist_is_none_that_is_read():
    assert reached(["f", "nothing"], notebook("def f(): return missing")).reads == {"f"}


def test_what_a_function_makes_is_told():
    found = reached(["f"], notebook("def f():\n  global n, m\n  n = 1\n  del m"))
    assert found.makes == {"n", "m"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("exec(v)", "exec"),
        ("return [eval(v) for _ in v]", "eval"),
        ("import __main__", "import __main__"),
        ("import sys; sys._getframe()", "._getframe"),
        ("return v.query(v)", "query() of a text that is made elsewhere"),
    ],
)
def test_a_function_that_may_touch_anything_is_told(body, word):
    assert word in reached(["f"], notebook(f"def f(v):\n  {body}")).opaque


def test_a_models_eval_is_no_eval():
    assert not reached(["f"], notebook("def f(model): model.eval()")).opaque


def test_an_eval_of_the_notebooks_own_is_followed_instead():
    found = reached(["f"], notebook("k = 1\ndef eval(m): return k\ndef f(m): return eval(m)"))
    assert found.reads == {"f", "eval", "k"}
    assert not found.opaque


def test_a_cycle_of_values_has_an_end():
    namespace = notebook("k = 1\ndef f(): return k\nloop = [f]\nloop.append(loop)")
    assert reached(["loop"], namespace).reads == {"loop", "k"}
