"""A notebook in JupyterLab's page, worked as a person does: cells typed and run, menus, widgets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect, sync_playwright

DEADLINE_MS = 120_000
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # all of the notebook is in the page
}


def write_settings(home: Path) -> None:
    """No news, no questions; `home` is what JupyterLab is started in."""
    for name, settings in SETTINGS.items():
        place = home / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(settings))


def write_notebook(path: Path, kernel: str, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
    )
    nbformat.write(notebook, path)


@contextmanager
def browser_page(chromium: str) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the errors that scripts in it reported."""
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(DEADLINE_MS)
        expect.set_options(timeout=DEADLINE_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page, faults
        browser.close()


class NotebookPage:
    """The notebook in front; `kernel` is the name that people know its kernel by."""

    def __init__(self, page: Page, kernel: str) -> None:
        self.page = page
        self.kernel = kernel

    @property
    def panel(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @property
    def cells(self) -> Locator:
        return self.panel.locator(".jp-CodeCell")

    def wait_until_idle(self) -> None:
        """With a kernel that answers."""
        expect(self.cells.first).to_be_visible()
        expect(self.page.get_by_text(f"{self.kernel} | Idle")).to_be_visible()

    def reload(self) -> None:
        """As saved a moment before."""
        count = self.cells.count()
        self.menu("File", "Save Notebook")
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0)
        self.page.reload()
        expect(self.cells).to_have_count(count)
        self.wait_until_idle()

    def restart(self) -> None:
        self.menu("Kernel", "Restart Kernel…")
        with self.page.expect_response(re.compile("/restart")):
            self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self.wait_until_idle()

    # --- cells ---

    def type(self, code: str) -> Locator:
        """A new last cell, which stays where it is: more cells may come behind it."""
        count = self.cells.count()
        self.cells.last.locator(".jp-InputPrompt").click()
        expect(self.cells.last).to_contain_class("jp-mod-active")
        self.panel.get_by_role("toolbar").get_by_role("button", name="Insert a cell below").first.click()
        expect(self.cells).to_have_count(count + 1)
        cell = self.cells.nth(count)
        editor = cell.locator(".cm-content")
        editor.click()
        expect(editor).to_be_focused()
        self.page.keyboard.insert_text(code)
        expect(editor).to_contain_text(code.splitlines()[-1].strip())
        return cell

    def start(self, code: str) -> Locator:
        """Its output."""
        cell = self.type(code)
        self.page.keyboard.press("Control+Enter")
        return cell.locator(".jp-Cell-outputArea")

    def run(self, code: str) -> Locator:
        """To its end; its output."""
        output = self.start(code)
        prompt = self.cells.last.locator(".jp-InputPrompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))
        return output

    def menu(self, menu: str, item: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=item).first.click()
