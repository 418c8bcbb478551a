"""What Jupyter is told to start a Farcell kernel with."""

from __future__ import annotations

import re
import sys

import pytest

from farcell.remote_runtime.api import Request, Walls
from farcell.remote_runtime.kernel_spec import FarcellKernel, request_of, walls_of

NAMES = {
    "H100": ("farcell-h100", "Farcell (H100)"),
    "h100:2": ("farcell-h100-2", "Farcell (H100:2)"),
    "H100,L40S": ("farcell-h100-l40s", "Farcell (H100,L40S)"),
    "A100-80GB": ("farcell-a100-80gb", "Farcell (A100-80GB)"),
    "24 GB": ("farcell-24gb", "Farcell (24GB)"),
    "cpu": ("farcell-cpu", "Farcell (cpu)"),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_request_names_its_kernel(text: str):
    kernel = FarcellKernel(Request.parse(text))
    assert (kernel.default_name, kernel.default_display_name) == NAMES[text]
    assert re.fullmatch(r"[a-z0-9._-]+", kernel.default_name)


def test_the_command_line_is_this_interpreters_and_holds_what_front_ends_replace():
    argv = FarcellKernel(Request.parse("H100:2"), "10m").argv
    start = [sys.executable, "-m", "farcell.kernel", "-f", "{connection_file}"]
    assert argv == [*start, "--gpu", "H100:2", "--idle", "10m"]


def test_front_ends_interrupt_by_message_and_may_debug():
    document = FarcellKernel(Request.parse("H100")).document("On the big one")
    assert document.pop("argv")
    assert document == {
        "display_name": "On the big one",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": True},
    }


@pytest.mark.parametrize(
    ("argv", "request_text"),
    [
        (FarcellKernel(Request.parse("L4")).argv, "L4"),
        (["/other/python", "-m", "farcell.kernel", "-f", "{connection_file}"], ""),
        (["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], None),
        (["farcell.kernel", "--gpu", "L4"], None),
        (["R", "-e", "farcell.kernel"], None),
        ([], None),
    ],
)
def test_farcells_kernels_are_known_by_their_command_line(argv: list[str], request_text: str | None):
    assert request_of(argv) == request_text


def test_walls_are_in_its_name_and_on_its_command_line():
    walls = Walls.parse("sandbox", "pypi.org,*.hf.co")
    kernel = FarcellKernel(Request.parse("H100"), walls=walls)
    assert kernel.default_name == "farcell-h100-network-pypi.org-.hf.co-isolation-sandbox"
    assert kernel.default_display_name == "Farcell (H100, network pypi.org,*.hf.co, isolation sandbox)"
    assert kernel.argv[-4:] == ["--network", "pypi.org,*.hf.co", "--isolation", "sandbox"]
    assert walls_of(kernel.argv) == walls
    assert walls_of(FarcellKernel(Request.parse("H100")).argv) == Walls()
