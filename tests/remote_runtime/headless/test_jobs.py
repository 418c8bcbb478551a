"""A run's notebook has a last cell that waits, where jobs are left that no cell waits for."""

from __future__ import annotations

import nbformat
import pytest
from nbformat import NotebookNode

from farcell.remote_runtime.headless.jobs import wait_at_the_end

JOB = "%%gpu H100 --bg\ntrain()"


def notebook(*sources: str) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


@pytest.mark.parametrize(
    "sources",
    [
        [JOB],
        ["\n  %%gpu --bg\ntrain()", "pass"],
        ["%gpu wait", JOB],
        [JOB, "%gpu wait", JOB],
        [JOB, "%gpu wait 1"],
    ],
)
def test_jobs_that_are_left_are_waited_for(sources: list[str]):
    with_jobs = notebook(*sources)
    wait_at_the_end(with_jobs)
    assert [cell.source for cell in with_jobs.cells] == [*sources, "%gpu wait"]
    nbformat.validate(with_jobs)


@pytest.mark.parametrize(
    "sources",
    [
        [],
        ["pass"],
        [JOB, "%gpu wait"],
        [JOB, "%gpu jobs\n%gpu wait"],
        ["%%gpu H100\nrun('--bg')"],
        ["print('''\n%%gpu --bg\n''')"],
    ],
)
def test_where_none_are_left_nothing_is_added(sources: list[str]):
    without = notebook(*sources)
    wait_at_the_end(without)
    assert [cell.source for cell in without.cells] == sources


def test_a_cell_that_is_not_run_begins_no_job():
    skipped = notebook(JOB)
    skipped.cells[0].metadata["tags"] = ["skip-execution"]
    wait_at_the_end(skipped)
    assert len(skipped.cells) == 1


def test_a_second_run_adds_no_second_wait():
    again = notebook(JOB)
    wait_at_the_end(again)
    wait_at_the_end(again)
    assert len(again.cells) == 2
