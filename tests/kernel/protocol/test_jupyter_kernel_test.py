"""Jupyter's own suite for kernels, with every optional part, on each way to a far kernel and on an ordinary one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jupyter_kernel_test
import pytest
from farcell_kernel_spec import NAME
from front_end import DEADLINE_S, KernelStart
from jupyter_client import BlockingKernelClient
from jupyter_kernel_client import JupyterKernelClient, JupyterSubprotocol
from stock_servers import farcell_gateway


class Patient:
    """A client that waits as long as a slow machine needs, where the suite would give up after a tenth of a second."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.iopub_channel = self.shell_channel = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_msg(self, timeout: float | None = None) -> Any:
        return self._client.get_iopub_msg(timeout=DEADLINE_S)

    def get_shell_msg(self, timeout: float | None = None) -> Any:
        return self._client.get_shell_msg(timeout=DEADLINE_S)


@pytest.fixture(scope="class", autouse=True)
def kernel(request: pytest.FixtureRequest, start_kernel: KernelStart) -> Iterator[None]:
    """For all tests of a class, which says how it is started."""
    with request.cls.started(start_kernel) as client:
        request.cls.kc = client
        yield


class StartedByAFixture:
    """Tests that start no kernel themselves."""

    @classmethod
    def setUpClass(cls) -> None:
        pass

    @classmethod
    def tearDownClass(cls) -> None:
        pass


class EveryPart(StartedByAFixture, jupyter_kernel_test.KernelTests):
    __test__ = False

    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [  # noqa: RUF012 (the suite's own way to say it)
        {"text": "zi", "matches": {"zip"}},
        {"text": "enumer", "matches": {"enumerate"}},
    ]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]  # noqa: RUF012
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]  # noqa: RUF012
    invalid_code_samples = ["import = 7q", "x = )"]  # noqa: RUF012
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('no')"
    code_execute_result = [  # noqa: RUF012
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data = [  # noqa: RUF012
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"},
        {"code": "display({'image/svg+xml': '<svg/>'}, raw=True)", "mime": "image/svg+xml"},
    ]
    code_history_pattern = "1?2*"
    # IPython names the session that runs 0 in a range of it, which the suite does not expect
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    def flush_channels(self) -> None:
        """Reads all that belongs to what was asked before: up to the end of what is asked now, in the same place."""
        asked = self.kc.is_complete("1")
        while self.kc.get_shell_msg()["parent_header"].get("msg_id") != asked:
            pass
        while True:
            message = self.kc.iopub_channel.get_msg()
            if message["msg_type"] != "iopub_welcome":  # newer than the suite's schemas
                jupyter_kernel_test.validate_message(message)
            ours = message["parent_header"].get("msg_id") == asked
            if ours and message["content"].get("execution_state") == "idle":
                return


class TestOrdinaryKernel(EveryPart):
    """The oracle: what fails here says nothing of Farcell."""

    __test__ = True

    @classmethod
    @contextmanager
    def started(cls, start_kernel: KernelStart) -> Iterator[Patient]:
        with start_kernel.client("python3") as client:
            yield Patient(client)


class TestFarcellKernel(EveryPart):
    __test__ = True

    @classmethod
    @contextmanager
    def started(cls, start_kernel: KernelStart) -> Iterator[Patient]:
        with start_kernel.client(NAME) as client:
            yield Patient(client)


class TestFarKernelThroughTheGateway(EveryPart):
    __test__ = True

    @classmethod
    @contextmanager
    def started(cls, _: KernelStart) -> Iterator[Patient]:
        with farcell_gateway("H100:1") as gateway:
            kernel = JupyterKernelClient(
                server_url=gateway.url,
                token=gateway.token,
                headers={"Authorization": f"Bearer {gateway.token}"},
                client_kwargs={"subprotocol": JupyterSubprotocol.DEFAULT},
            )
            kernel.start(name=gateway.get("/api/kernelspecs")["default"])
            yield Patient(kernel._manager.client)
            kernel.stop(shutdown_kernel=True)


class Welcome(StartedByAFixture, jupyter_kernel_test.IopubWelcomeTests):
    __test__ = False

    support_iopub_welcome = True
    kernel_name = "python3"

    @classmethod
    @contextmanager
    def started(cls, start_kernel: KernelStart) -> Iterator[BlockingKernelClient]:
        with start_kernel.manager(cls.kernel_name) as manager:
            client = manager.client()
            yield client
            client.stop_channels()


class TestWelcomeOfAnOrdinaryKernel(Welcome):
    __test__ = True


class TestWelcomeOfTheFarcellKernel(Welcome):
    __test__ = True
    kernel_name = NAME
