"""A notebook with the Farcell kernel as a person has it: JupyterLab in a real browser, its widgets alive far away."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator

import pytest
from far_machine import FarMachine
from farcell_command import PROGRAM
from notebook_page import NotebookPage, browser_page, write_notebook, write_settings
from notebook_server import NotebookServer, jupyter_lab
from playwright.sync_api import Locator, Page, expect

FARCELL, STOCK = "Farcell (H100)", "Python 3 (ipykernel)"
SLIDER = """
    import ipywidgets as widgets
    slider, moved = widgets.IntSlider(description="n"), []
    slider.observe(lambda change: moved.append(change["new"]), "value")
    display(slider)
"""
TRAINS = """
    import time
    print("training", flush=True)
    while slider.value != 5:
        time.sleep(0.01)
    print("moved", moved[-1])
"""
INTERACT = """
    import ipywidgets as widgets
    @widgets.interact(x=(0, 10))
    def square(x=3):
        print("square", x * x)
"""
OUTPUT = """
    import ipywidgets as widgets
    out = widgets.Output()
    display(out)
    with out:
        print("inside")
    print("outside")
"""
# its page shows the bytes that it has, and a click turns them round
PIXELS = '''
    import anywidget, numpy, traitlets
    class Pixels(anywidget.AnyWidget):
        _esm = """
        export default {
          render({ model, el }) {
            const bytes = () => new Uint8Array(model.get("pixels").buffer.slice(0));
            const button = document.createElement("button");
            const show = () => { button.textContent = `bytes ${bytes().join(",")}`; };
            button.addEventListener("click", () => {
              model.set("pixels", new DataView(bytes().reverse().buffer));
              model.save_changes();
            });
            model.on("change:pixels", show);
            show();
            el.append(button);
          },
        };
        """
        pixels = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    pixels = Pixels(pixels=numpy.array([0, 7, 128, 255], numpy.uint8).tobytes())
    display(pixels)
'''


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    with FarMachine("H100:2") as machine:
        yield machine


@pytest.fixture(scope="module")
def lab(machine: FarMachine) -> Iterator[NotebookServer]:
    write_settings(machine.home)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in machine.environment.items():
            patch.setenv(name, value)
        subprocess.run([PROGRAM, "kernel", "install", "--gpu", "H100"], check=True, stdout=subprocess.DEVNULL)
        with jupyter_lab(machine.home) as server:
            yield server


@pytest.fixture(scope="module")
def page(lab: NotebookServer, require) -> Iterator[Page]:
    chromium = require("chromium", "shows JupyterLab; apt-get install chromium")
    with browser_page(chromium) as (page, faults):
        yield page
    assert faults == []


@pytest.fixture(scope="module")
def opened(lab: NotebookServer, page: Page) -> NotebookPage:
    write_notebook(lab.folder / "live.ipynb", "farcell-h100")
    page.goto(f"{lab.url}lab/tree/live.ipynb?token={lab.token}")
    return NotebookPage(page, FARCELL)


@pytest.fixture
def notebook(opened: NotebookPage) -> NotebookPage:
    opened.wait_until_idle()
    return opened


def code(source: str) -> str:
    return textwrap.dedent(source).strip()


# --- widgets, both ways ---


def readout(output: Locator) -> Locator:
    return output.locator(".widget-readout")


def set_to(output: Locator, value: int) -> None:
    """By hand, in the field beside the slider."""
    readout(output).fill(str(value))
    readout(output).press("Enter")


def far(notebook: NotebookPage, expression: str) -> Locator:
    return notebook.run(f"print({expression})")


def test_a_dragged_slider_moves_far_and_its_observers_run(notebook: NotebookPage):
    output = notebook.run(code(SLIDER))
    output.locator(".noUi-handle").drag_to(output.locator(".noUi-target"))
    expect(readout(output)).to_have_text(re.compile("4[0-9]|5[0-9]"))
    value = readout(output).inner_text()
    expect(far(notebook, "slider.value, moved[-1]")).to_have_text(f"{value} {value}")


def test_a_value_set_far_moves_the_slider(notebook: NotebookPage):
    output = notebook.run(code(SLIDER))
    notebook.run("slider.value = 42")
    expect(readout(output)).to_have_text("42")


def test_interact_shows_what_its_function_prints_far(notebook: NotebookPage):
    output = notebook.run(code(INTERACT))
    expect(output.locator(".jp-OutputArea-output", has_text="square 9").last).to_be_visible()
    set_to(output, 4)
    expect(output).to_contain_text("square 16")
    expect(output).not_to_contain_text("square 9")


def test_an_output_widget_takes_prints(notebook: NotebookPage):
    output = notebook.run(code(OUTPUT))
    expect(output.locator(".jupyter-widgets-output-area, .widget-output")).to_have_text("inside\n")
    expect(output).to_contain_text("outside")
    notebook.run('with out: print("and again")')
    expect(output.locator(".widget-output")).to_contain_text("inside\nand again")


def test_an_anywidgets_bytes_arrive_in_the_page_and_come_back(notebook: NotebookPage):
    button = notebook.run(code(PIXELS)).get_by_role("button")
    expect(button).to_have_text("bytes 0,7,128,255")
    button.click()
    expect(button).to_have_text("bytes 255,128,7,0")
    expect(far(notebook, "numpy.frombuffer(pixels.pixels, numpy.uint8)")).to_have_text("[255 128   7   0]")
    notebook.run("pixels.pixels = bytes([1, 2])")
    expect(button).to_have_text("bytes 1,2")


def test_a_progress_bar_for_notebooks_ends_full(notebook: NotebookPage):
    output = notebook.run("from tqdm.notebook import tqdm\nfor _ in tqdm(range(50), 'steps'): pass")
    expect(output).to_contain_text("steps: 100%")
    expect(output).to_contain_text("50/50")
    expect(output.locator(".progress-bar-success")).to_have_attribute("style", re.compile(r"width: 100%"))


def moved_while_a_cell_runs(notebook: NotebookPage) -> None:
    slider = notebook.run(code(SLIDER))
    running = notebook.start(code(TRAINS))
    expect(running).to_contain_text("training")
    set_to(slider, 5)
    expect(running).to_contain_text("moved 5")


def test_a_slider_moved_while_a_cell_runs_is_seen_by_it(notebook: NotebookPage):
    moved_while_a_cell_runs(notebook)


def test_a_widget_of_a_cell_that_runs_here_lives_beside_the_far_ones(notebook: NotebookPage):
    notebook.run(code(SLIDER))
    near = notebook.run("%%local\n" + code(SLIDER))
    set_to(near, 6)
    expect(notebook.run("%%local\nprint(slider.value, moved)")).to_have_text("6 [6]")
    expect(far(notebook, "slider.value, moved")).to_have_text("0 []")


# --- a page that comes again ---


def test_after_a_reload_all_still_live(notebook: NotebookPage):
    slider = notebook.run(code(SLIDER))
    interact, pixels = notebook.run(code(INTERACT)), notebook.run(code(PIXELS))
    notebook.reload()

    set_to(slider, 8)
    expect(far(notebook, "slider.value, moved")).to_have_text("8 [8]")
    notebook.run("slider.value = 31")
    expect(readout(slider)).to_have_text("31")

    set_to(interact, 6)
    expect(interact).to_contain_text("square 36")

    pixels.get_by_role("button").click()
    expect(pixels.get_by_role("button")).to_have_text("bytes 255,128,7,0")
    expect(far(notebook, "list(pixels.pixels)")).to_have_text("[255, 128, 7, 0]")


# --- the kernel's menu ---


def test_interrupt_stops_a_running_loop(notebook: NotebookPage):
    running = notebook.start("print('begun', flush=True)\nwhile True: pass")
    expect(running).to_contain_text("begun")
    notebook.menu("Kernel", "Interrupt Kernel")
    expect(running).to_contain_text("KeyboardInterrupt")
    expect(far(notebook, "'goes on'")).to_have_text("goes on")


def test_restart_gives_a_fresh_far_kernel_whose_first_cell_works(notebook: NotebookPage):
    notebook.run("x = 1")
    notebook.restart()
    expect(far(notebook, "'x' in globals()")).to_have_text("False")
    moved_while_a_cell_runs(notebook)


def test_the_widgets_of_a_session_that_follows_another_live_too(notebook: NotebookPage):
    """JupyterLab sends what they say over the subshell that it has from the one before."""
    notebook.run(code(SLIDER))
    notebook.run("%gpu stop")
    slider = notebook.run(code(SLIDER))
    set_to(slider, 3)
    expect(far(notebook, "moved")).to_have_text("[3]")
    moved_while_a_cell_runs(notebook)


# --- where it is chosen ---


def test_the_launcher_shows_the_kernel_and_its_logo(lab: NotebookServer, page: Page):
    other = page.context.new_page()
    other.goto(f"{lab.url}lab/workspaces/launcher?token={lab.token}")
    card = other.locator(".jp-LauncherCard[title^='Farcell (H100)']").first
    expect(card).to_be_visible()
    logo = card.locator("img")
    expect(logo).to_have_js_property("naturalWidth", 64)
    other.close()


# --- %%gpu cells in an ordinary kernel ---


def test_widgets_of_gpu_cells_live_in_an_ordinary_kernel_also_after_a_reload(
    lab: NotebookServer, page: Page, opened: NotebookPage
):
    write_notebook(lab.folder / "magic.ipynb", "python3", "%load_ext farcell")
    page.goto(f"{lab.url}lab/tree/magic.ipynb?token={lab.token}")
    notebook = NotebookPage(page, STOCK)
    notebook.wait_until_idle()
    notebook.run("%load_ext farcell")
    slider = notebook.run("%%gpu H100 -q\n" + code(SLIDER))
    set_to(slider, 7)
    expect(notebook.run("%%gpu -q\nprint(slider.value, moved)")).to_have_text("7 [7]")
    running = notebook.start("%%gpu -q\n" + code(TRAINS))
    expect(running).to_contain_text("training")
    set_to(slider, 5)
    expect(running).to_contain_text("moved 5")
    notebook.wait_until_idle()
    notebook.reload()
    notebook.run("%%gpu -q\nslider.value = 31")
    expect(readout(slider)).to_have_text("31")
    set_to(slider, 8)
    expect(notebook.run("%%gpu -q\nprint(slider.value)")).to_have_text("8")
