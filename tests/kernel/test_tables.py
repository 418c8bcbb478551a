"""Tables, as text and as HTML from the same rows."""

from __future__ import annotations

from farcell.kernel.tables import Table


def test_columns_are_as_wide_as_their_widest_cell():
    table = Table(("a", "long name"), [("1", "x"), ("12345", "y")])
    assert repr(table).splitlines() == ["a      long name", "─────  ─────────", "1      x", "12345  y"]


def test_a_footer_stands_below_the_rows():
    assert repr(Table(("a",), [("1",)], ["in all: 1"])).splitlines()[-1] == "in all: 1"


def test_without_rows_a_sentence_stands_in_their_place():
    assert repr(Table(("a",), [], empty="nothing yet")) == "nothing yet"
    assert Table(("a",), [], empty="nothing yet")._repr_html_() == "<div>nothing yet</div>"


def test_what_could_be_markup_is_text_in_html():
    shown = Table(("<a>",), [("<script>alert(1)</script>",)], ["<b>"])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown
    assert "&lt;a&gt;" in shown
