"""What cells need and make, from their syntax: the corpus, and what holds for all."""

from __future__ import annotations

import builtins
import symtable
import sys

import pytest
from cell_corpus import CELLS, Cell
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from farcell.kernel.variables.analysis import Analysis, analyse

TRANSFORM = TransformerManager().transform_cell


def analysed(source: str) -> Analysis:
    return analyse(source, TRANSFORM)


def user_names(names) -> set[str]:
    return set(names) - set(dir(builtins))


def test_the_corpus_is_large_and_each_cell_has_a_name_of_its_own():
    assert len({cell.name for cell in CELLS}) == len(CELLS) >= 60


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_cell_needs_and_makes(cell: Cell):
    found = analysed(cell.source)
    assert user_names(found.needs) == set(cell.needs.split()), "needs"
    assert found.makes == set(cell.makes.split()), "makes"
    assert found.opaque == set(filter(None, cell.opaque.split(","))), "opaque"


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_every_name_of_the_cell_is_known_to_the_compiler_too(cell: Cell):
    """The other way round: a global that the symbol tables know is needed or made, but where it can't be reached."""
    if cell.opaque or cell.source.lstrip().startswith(("%", "!")) or cell.name == "after the end":
        return
    try:
        table = symtable.symtable(TRANSFORM(cell.source), "cell", "exec")
    except SyntaxError:  # `await` at cell level
        return
    found = analysed(cell.source)
    assert globals_of(table) <= found.needs | found.makes | {"get_ipython"}


def globals_of(table: symtable.SymbolTable, *, top: bool = True) -> set[str]:
    """What is read by the symbol tables' word; annotations under ``__future__`` count there, too."""
    own = {one.get_name() for one in table.get_symbols() if one.is_referenced() and (top or one.is_global())}
    own -= {"T"} if any(one.get_name() == "annotations" for one in table.get_symbols()) else set()
    return own.union(*(globals_of(child, top=False) for child in table.get_children())) - {"locals", "T"}


def test_a_need_of_a_function_is_one_of_who_names_it():
    assert "k" in analysed("def f():\n  return k\ng = f\nk = 1").needs


def test_a_builtins_name_is_opaque_unless_the_notebook_has_a_thing_of_that_name():
    found = analysed("eval(model)")
    assert found.touches_everything({})
    assert not found.touches_everything({"eval": print})


def test_the_shell_is_opaque_although_every_notebook_has_its_name():
    assert analysed("get_ipython().reset()").touches_everything({"get_ipython": print})


def test_what_is_called_may_be_changed():
    assert analysed("f(x)").touches >= {"f", "x"}


def test_a_transformer_that_refuses_the_cell_makes_it_opaque():
    def refuse(_: str) -> str:
        raise SyntaxError

    assert analyse("!x = 1", refuse).opaque


def test_deep_nesting_is_opaque_rather_than_an_error():
    assert analysed("x = " + "-" * 5000 + "1").opaque or sys.version_info >= (3, 12)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
@pytest.mark.parametrize(
    ("source", "needs", "makes"),
    [
        ("type Row[T] = list[tuple[T, Key]]", {"Key"}, {"Row"}),
        ("def first[T: Bound](xs: list[T]) -> T:\n  return xs[k]", {"Bound", "k"}, {"first"}),
        ("class Box[T](Base[T]):\n  pass", {"Base"}, {"Box"}),
    ],
)
def test_type_parameters_are_names_of_their_own(source, needs, makes):
    found = analysed(source)
    assert user_names(found.needs) == needs
    assert found.makes == makes


# whatever stands before and after them
JOINABLE = [
    cell
    for cell in CELLS
    if not cell.opaque and not any(w in cell.source for w in ("%%", "raise", "__future__", "In ["))
]


@given(st.lists(st.sampled_from(JOINABLE), min_size=1, max_size=4))
def test_cells_in_a_row_make_what_each_makes_and_need_no_more_than_each(cells):
    whole = analysed("\n".join(cell.source for cell in cells))
    alone = [analysed(cell.source) for cell in cells]
    assert whole.makes == set().union(*(one.makes for one in alone))
    assert whole.needs <= set().union(*(one.needs for one in alone))
    assert alone[0].needs <= whole.needs


def test_the_same_cell_is_read_once():
    source = "\n".join(cell.source for cell in JOINABLE)
    assert analyse(source) is analyse(source)
