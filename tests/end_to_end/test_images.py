"""Images on the magic: packages that are installed first, images of one's own, and what is said when that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from far_machine import FarMachine, eventually
from notebook_driver import Notebook

from tests.wheels import SlowIndex, make_index, make_wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("tinyone", "tinytwo", "tinythree"):
        make_wheel(folder, name)
    return folder


@pytest.fixture
def slow_index(tmp_path: Path) -> Iterator[SlowIndex]:
    make_index(tmp_path / "index", "tinyone")
    with SlowIndex(tmp_path / "index") as index:
        yield index


def package(wheels: Path, name: str) -> str:
    return f"{name} @ {(wheels / f'{name}-1.0-py3-none-any.whl').as_uri()}"


def test_packages_of_the_magic_are_there_and_stay_for_bare_cells(notebook: Notebook, wheels: Path):
    first = notebook.run(
        f"%%gpu L4 -n pip --pip '{package(wheels, 'tinyone')}'\nimport tinyone; print(tinyone.version)"
    )
    assert first.stdout == "1.0\n", first.outputs
    assert notebook.run("%%gpu\nprint(tinyone.version)").stdout == "1.0\n"
    assert notebook.run("%gpu stop pip").error == ""
    assert notebook.run("%%gpu\nimport tinyone; print(tinyone.version)").stdout == "1.0\n"
    assert (
        notebook.run("try:\n    import tinyone\nexcept ImportError: print('not here')").stdout == "not here\n"
    )


def test_another_image_on_a_running_session_is_refused_with_the_ways_on(notebook: Notebook, wheels: Path):
    notebook.run(f"%%gpu L4 -n other --pip '{package(wheels, 'tinyone')}'\nkept = 1")
    refused = notebook.run(f"%%gpu --pip '{package(wheels, 'tinytwo')}'\nprint(kept)")
    assert refused.error.startswith("SessionHoldsOther")
    assert "%gpu stop other" in refused.error
    assert "-n NAME" in refused.error
    assert notebook.run("%%gpu -n other\nprint(kept)").stdout == "1\n"


def test_an_image_of_a_variable_is_built(notebook: Notebook, wheels: Path):
    notebook.run(
        "from farcell import Image\n"
        f"mine = Image.debian().pip_install({package(wheels, 'tinytwo')!r}).env(GREETING='hello')"
    )
    cell = notebook.run(
        "%%gpu L4 -n variable --image mine\nimport os, tinytwo; print(tinytwo.version, os.environ['GREETING'])"
    )
    assert cell.stdout == "1.0 hello\n", cell.outputs
    assert "GREETING='hello'" in notebook.run("%gpu image").result


def test_an_image_that_is_none_is_refused_before_anything_starts(notebook: Notebook):
    refused = notebook.run("%%gpu L4 -n none --image nothing\n1")
    assert refused.error.startswith("BadRequest: 'nothing' is no variable with an Image here")
    assert (
        "BadRequest: '--target=/etc' is no package"
        in notebook.run("%%gpu L4 -n none --pip=--target=/etc\n1").error
    )


def test_a_failed_build_says_its_step_and_last_lines_and_the_next_cell_may_go_on(
    notebook: Notebook, tmp_path: Path
):
    nowhere = (tmp_path / "nowhere-1.0-py3-none-any.whl").as_uri()
    failed = notebook.run(f"%%gpu L4 -n broken --pip 'nowhere @ {nowhere}'\n1")
    assert failed.error.startswith("BuildFailed: step 2 of 3 (pip install nowhere @ ")
    assert "Distribution not found" in failed.error
    assert notebook.run("%%gpu L4 -n broken --image default\nprint('here')").stdout == "here\n"


def test_progress_is_told_while_an_image_is_built_and_goes_away(notebook: Notebook, slow_index: SlowIndex):
    notebook.run(f"slow = Image.debian().pip_install('tinyone', index_url={slow_index.url!r})")
    running = notebook.start("%%gpu L4 -n slow --image slow\nimport tinyone; print(tinyone.version)")
    running.until(lambda cell: any("step 2 of 3: pip install tinyone" in note for note in cell.notes))
    slow_index.go_on()
    cell = running.end()
    assert cell.stdout == "1.0\n", cell.outputs
    assert not any("building" in note for note in cell.notes)


def test_an_interrupt_leaves_a_build(machine: FarMachine, notebook: Notebook, slow_index: SlowIndex):
    notebook.run(f"slow = Image.debian().pip_install('tinyone', index_url={slow_index.url!r})")
    running = notebook.start("%%gpu L4 -n left --image slow\n1")
    running.until(lambda cell: any("step 2 of 3" in note for note in cell.notes))
    cell = running.interrupt().end()
    assert cell.error.startswith("CellInterrupted")
    assert machine.session("left").state.is_over
    installers = [one for one in machine.gateway.children() if "pip" in one.cmdline()]
    assert eventually(lambda: not any(one.is_running() for one in installers))


def test_a_farcell_kernel_tells_progress_too(machine: FarMachine, slow_index: SlowIndex):
    far = machine.far_notebook("far.ipynb", "cpu")
    far.run("%%local\nfrom farcell import Image\n1")
    running = far.start(
        "%%local\n"
        f"slow = Image.debian().pip_install('tinyone', index_url={slow_index.url!r})\n"
        "get_ipython().run_cell_magic('gpu', 'L4 -n slow --image slow', 'import tinyone; print(tinyone.version)')"
    )
    running.until(lambda cell: any("step 2 of 3" in note for note in cell.notes))
    slow_index.go_on()
    assert running.end().stdout == "1.0\n"


def test_what_a_cell_installs_is_told_kept_and_there_at_the_next_start(notebook: Notebook, wheels: Path):
    notebook.run(f"%%gpu L4 -n hand --pip '{package(wheels, 'tinyone')}'\n1")
    wheel = wheels / "tinythree-1.0-py3-none-any.whl"
    installed = notebook.run(f"%%gpu\n%pip install --no-index {wheel}\nimport tinythree")
    assert not installed.error, installed.outputs
    eventually(lambda: "installed since:" in notebook.run("%gpu image").result)
    notebook.run("%gpu stop hand")
    again = notebook.run("%%gpu\ntry:\n    import tinythree\nexcept ImportError:\n    print('gone')")
    assert again.stdout == "gone\n"
    assert "1 package was installed by hand: '%gpu image save' keeps it" in again.notes[0]
    assert "kept as handmade, for the next start of hand" in notebook.run("%gpu image save handmade").result
    assert "handmade" in notebook.run("%gpu image list").result
    notebook.run("%gpu stop hand")
    assert notebook.run("%%gpu\nimport tinyone, tinythree; print(tinythree.version)").stdout == "1.0\n"
    other = notebook.run(
        "%%gpu L4 -n second --image handmade\nimport tinyone, tinythree; print(tinythree.version)"
    )
    assert other.stdout == "1.0\n", other.outputs
