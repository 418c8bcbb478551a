"""An ordinary kernel as the oracle, and the Farcell kernel beside it, attached to a far kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from far_machine import FarMachine
from farcell_kernel_spec import NAME, install_spec
from front_end import FrontEnd, KernelStart


@pytest.fixture(scope="session")
def start_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelStart]:
    """Starts a kernel of either kind; all Farcell kernels share one gateway."""
    specs = tmp_path_factory.mktemp("specs")
    install_spec(specs)
    with pytest.MonkeyPatch.context() as patch, FarMachine("H100:8") as machine:
        patch.setenv("JUPYTER_PATH", str(specs))
        yield KernelStart(machine)


@pytest.fixture(scope="module")
def ordinary(start_kernel: KernelStart) -> Iterator[FrontEnd]:
    with start_kernel("python3") as kernel:
        yield kernel


@pytest.fixture(scope="module")
def farcell(start_kernel: KernelStart) -> Iterator[FrontEnd]:
    with start_kernel(NAME) as kernel:
        yield kernel


@pytest.fixture(params=["ordinary", "farcell"])
def kernel(request: pytest.FixtureRequest) -> FrontEnd:
    """What one test shows of both; the tests of a module share them, and leave them idle."""
    front_end: FrontEnd = request.getfixturevalue(request.param)
    return front_end
