"""What a far cell prints, shows and raises appears in the notebook as if it had run there."""

from __future__ import annotations

import re
import textwrap

from notebook_driver import Notebook

GATE = """
import pathlib, time
gate = pathlib.Path({path!r})
def wait_for_the_gate():
    while not gate.exists():
        time.sleep(0.01)
"""


def far(source: str) -> str:
    return "%%gpu\n" + textwrap.dedent(source).strip()


def test_a_cell_runs_in_another_process_that_is_no_descendant_of_the_kernel(notebook: Notebook):
    pid = int(notebook.run(far("print(os.getpid())")).stdout)
    kernel = notebook.value("__import__('os').getpid()")
    family = notebook.value("[p.pid for p in __import__('psutil').Process().children(recursive=True)]")
    assert str(pid) not in family
    assert str(pid) != kernel


def test_variables_stay_for_the_next_cell_and_apart_from_the_notebooks_own(notebook: Notebook):
    notebook.run("x = 'near'")
    notebook.run(far("x = 'far'"))
    assert notebook.run(far("print(x)")).stdout == "far\n"
    assert notebook.value("x") == "'near'"


def test_a_line_is_seen_while_the_cell_still_runs(notebook: Notebook, tmp_path):
    gate = tmp_path / "gate"
    notebook.run(far(GATE.format(path=str(gate))))
    running = notebook.start(far("print('first', flush=True); wait_for_the_gate(); print('second')"))
    running.until_prints("first")
    assert "second" not in running.cell.stdout
    gate.touch()
    assert running.end().stdout == "first\nsecond\n"


def test_a_piece_of_a_line_is_seen_before_its_newline(notebook: Notebook, tmp_path):
    gate = tmp_path / "gate"
    notebook.run(far(GATE.format(path=str(gate))))
    running = notebook.start(
        far("print('loading ...', end='', flush=True); wait_for_the_gate(); print('done')")
    )
    running.until_prints("loading ...")
    gate.touch()
    assert running.end().stdout == "loading ...done\n"


def test_both_streams_come_by_their_names(notebook: Notebook):
    cell = notebook.run(far("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (cell.stdout, cell.stream("stderr")) == ("out\n", "err\n")


def test_a_progress_bar_writes_over_itself(notebook: Notebook):
    cell = notebook.run(
        far("from tqdm import tqdm\nfor _ in tqdm(range(3), desc='bar', mininterval=0): pass")
    )
    assert re.search(r"\rbar: 100%.*3/3", cell.stream("stderr"))


def test_children_of_the_far_process_print_too(notebook: Notebook):
    cell = notebook.run(far("import subprocess; x = subprocess.run(['echo', 'child'])\n!echo shell"))
    assert "child" in cell.stdout
    assert "shell" in cell.stdout


def test_a_lot_of_output_comes_whole_and_in_order(notebook: Notebook):
    cell = notebook.run(far("for i in range(20_000): print(i)"))
    assert cell.stdout == "".join(f"{i}\n" for i in range(20_000))


# --- rich display ---


def test_the_last_value_is_the_result_under_the_notebooks_number(notebook: Notebook):
    cell = notebook.run(far("{'a': 1}"))
    (result,) = cell.of_kind("execute_result")
    assert cell.result == "{'a': 1}"
    assert result["execution_count"] == cell.number


def test_the_result_is_kept_in_the_notebooks_out(notebook: Notebook):
    cell = notebook.run(far("6 * 7"))
    assert notebook.value(f"Out[{cell.number}]") == "42"
    assert notebook.run("_").result == "42"


def test_a_semicolon_hides_the_result(notebook: Notebook):
    assert not notebook.run(far("6 * 7;")).of_kind("execute_result")


def test_an_object_with_many_faces_shows_them_all(notebook: Notebook):
    cell = notebook.run(
        far("""
        class Faces:
            def _repr_html_(self): return '<b>bold</b>'
            def _repr_latex_(self): return '$x$'
            def __repr__(self): return 'plain'
        Faces()
        """)
    )
    (result,) = cell.of_kind("execute_result")
    assert result["data"] == {"text/plain": "plain", "text/html": "<b>bold</b>", "text/latex": "$x$"}


def test_a_plot_is_a_picture(notebook: Notebook):
    cell = notebook.run(far("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"))
    assert any("image/png" in output["data"] for output in cell.of_kind("display_data"))


def test_a_display_is_updated_in_place(notebook: Notebook):
    cell = notebook.run(far("h = display('before', display_id=True)\nh.update('after')"))
    shown = [output["data"]["text/plain"] for output in cell.of_kind("display_data")]
    assert shown[0] == "'after'"
    assert "'before'" not in shown


def test_a_later_cell_updates_the_display_of_an_earlier_one(notebook: Notebook):
    notebook.run(far("h = display('before', display_id='shown-before')"))
    cell = notebook.run(far("h.update('after')"))
    (update,) = [m for m in cell.messages if m["msg_type"] == "update_display_data"]
    assert update["content"]["transient"] == {"display_id": "shown-before"}
    assert update["content"]["data"] == {"text/plain": "'after'"}


def test_clear_output_takes_away_what_came_before(notebook: Notebook):
    cell = notebook.run(
        far("from IPython.display import clear_output\nprint('a'); clear_output(); print('b')")
    )
    assert cell.stdout == "b\n"


def test_clear_output_may_wait_for_what_comes_next(notebook: Notebook):
    cell = notebook.run(
        far("from IPython.display import clear_output\nprint('a'); clear_output(wait=True); print('b')")
    )
    assert [m["content"] for m in cell.messages if m["msg_type"] == "clear_output"] == [{"wait": True}]
    assert cell.stdout == "b\n"


# --- what stands around a far cell ---


def test_capture_takes_what_a_far_cell_shows(notebook: Notebook):
    cell = notebook.run("%%capture taken\n%%gpu -q\nprint('out'); display('shown'); 'value'")
    assert not cell.outputs
    assert notebook.value("taken.stdout") == r"'out\n'"
    assert (
        notebook.value("[output.data['text/plain'] for output in taken.outputs]")
        == "[\"'shown'\", \"'value'\"]"
    )


def test_capture_takes_no_progress(notebook: Notebook):
    notebook.run("%gpu stop")
    notebook.run("%%capture taken\n%%gpu -q\nimport os; print('out')")
    assert notebook.value("taken.stdout") == r"'out\n'"
    assert (
        notebook.value("['starts anew' in output.data['text/plain'] for output in taken.outputs]") == "[True]"
    )


def test_what_stands_before_a_far_cell_in_its_cell_stays(notebook: Notebook):
    notebook.run("%gpu stop")
    cell = notebook.run("print('before'); get_ipython().run_cell_magic('gpu', '-q', 'import os; print(1)')")
    assert cell.stdout == "before\n1\n"


def test_a_redirection_takes_what_a_far_cell_prints(notebook: Notebook):
    cell = notebook.run(
        textwrap.dedent("""
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as taken:
            get_ipython().run_cell_magic('gpu', '-q', 'print("far")')
        print(taken.getvalue().upper())
        """)
    )
    assert cell.stdout == "FAR\n\n"


def test_far_cells_in_a_loop_run_one_after_the_other(notebook: Notebook):
    cell = notebook.run("for i in range(3): get_ipython().run_cell_magic('gpu', '-q', f'print({i})')")
    assert cell.stdout == "0\n1\n2\n"


def test_time_around_a_far_cell_works(notebook: Notebook):
    assert "Wall time" in notebook.run("%%time\n%%gpu -q\nprint('far')").stdout


# --- errors ---


def test_an_error_is_shown_once_with_the_far_traceback_and_the_cell_numbers_that_the_reader_sees(
    notebook: Notebook,
):
    cell = notebook.run(far("def f():\n    return 1 / 0\nf()"))
    assert cell.error == "ZeroDivisionError: division by zero"
    assert f"Cell In[{cell.number}], line 3" in cell.traceback
    assert "return 1 / 0" in cell.traceback


def test_no_line_of_farcells_own_is_in_a_traceback(notebook: Notebook):
    shown = notebook.run(far("1 / 0")).traceback
    assert "run_cell_magic" not in shown
    assert "farcell" not in shown.lower()


def test_output_before_an_error_stays_and_so_do_variables(notebook: Notebook):
    cell = notebook.run(far("kept = 1; print('before')\nraise ValueError('no')"))
    assert cell.stdout == "before\n"
    assert cell.error == "ValueError: no"
    assert notebook.run(far("print(kept)")).stdout == "1\n"


def test_a_syntax_error_is_one_of_the_far_cell(notebook: Notebook):
    cell = notebook.run(far("x = ="))
    assert cell.error.startswith("SyntaxError: invalid syntax")
    assert "x = =" in cell.traceback


def test_an_error_can_be_caught_around_a_far_cell(notebook: Notebook):
    cell = notebook.run(
        textwrap.dedent("""
        try:
            get_ipython().run_cell_magic('gpu', '-q', '1 / 0')
        except Exception as error:
            print(type(error).__name__, error)
        """)
    )
    assert cell.stdout == "ZeroDivisionError division by zero\n"


def test_far_sys_exit_is_no_end_of_anything(notebook: Notebook):
    cell = notebook.run(far("import sys; sys.exit(3)"))
    assert cell.error == "SystemExit: 3"
    assert notebook.run(far("print('alive')")).stdout == "alive\n"


# --- after a cell ---


def test_a_thread_that_prints_after_its_cell_prints_under_it(notebook: Notebook, tmp_path):
    gate = tmp_path / "gate"
    notebook.run(far(GATE.format(path=str(gate))))
    running = notebook.start(
        far("""
        import threading
        def late():
            wait_for_the_gate()
            print('late')
        threading.Thread(target=late).start()
        """)
    )
    running.end()
    gate.touch()
    message = notebook.hear_late(lambda m: m["msg_type"] == "stream" and "late" in m["content"]["text"])
    assert message["parent_header"]["msg_id"] == running.msg_id


def test_the_line_below_tells_time_cost_and_device(notebook: Notebook):
    (line,) = notebook.run(far("pass")).notes
    assert re.fullmatch(r"(< )?[\d.]+ s · \$[\d.]+ · cpu", line)


def test_quiet_leaves_the_line_out(notebook: Notebook):
    assert not notebook.run("%%gpu -q\npass").outputs
