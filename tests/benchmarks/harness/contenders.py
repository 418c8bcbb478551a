"""Contenders as processes: each driver runs alone, on folders of its own, and answers one JSON line to each request."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from .model import Benchmark, Contender, Measured

DRIVERS = Path(__file__).parents[1] / "drivers"
END_S = 30.0


class DriverFailed(Exception):
    """A driver gave no answer; the text has its traceback, or the end of what it said."""


class Driver:
    """The harness's end of one contender's process."""

    def __init__(
        self, contender: Contender, process: subprocess.Popen[bytes], log: Path, answer_s: float
    ) -> None:
        self._name = contender.name
        self._process = process
        self._log = log
        self._answer_s = answer_s

    def measure(self, request: str) -> Measured:
        answer = self.ask({"request": request})
        trace = tuple((step, offset_s) for step, offset_s in answer.get("trace", ()))
        return Measured(answer["value"], trace, answer.get("lost", 0.0))

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Raises `DriverFailed` after `answer_s`, or when the driver has ended."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], self._answer_s)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            why = "ended" if readable else f"gave no answer within {self._answer_s:.0f} s"
            raise DriverFailed(f"{self._name} {why}:\n{self._log.read_text('utf-8', 'replace')[-3000:]}")
        answer = dict(json.loads(line))
        if "error" in answer:
            raise DriverFailed(f"{self._name} failed:\n{answer['error']}")
        return answer

    def close(self) -> None:
        """Asks it to end what it holds, by closing its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(benchmark: Benchmark, peers: Path) -> Iterator[dict[str, Driver]]:
    """All drivers, ready to measure, by their contenders' names; at the end nothing that they started is left."""
    with ExitStack() as stack:
        drivers = {
            one.name: stack.enter_context(_running(one, peers, benchmark.answer_s))
            for one in benchmark.contenders
        }
        for driver in drivers.values():
            driver.answer()
        yield drivers


@contextmanager
def _running(contender: Contender, peers: Path, answer_s: float) -> Iterator[Driver]:
    with tempfile.TemporaryDirectory(prefix="farcell-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        log = folder / "driver.log"
        driver = Driver(contender, _start(contender, peers, folder, log), log, answer_s)
        try:
            yield driver
        finally:
            driver.close()
            _end_all_of(folder)


def _start(contender: Contender, peers: Path, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    python = peers if contender.peer else Path(sys.executable)
    with log.open("wb") as said:
        return subprocess.Popen(
            [python, DRIVERS / f"{contender.driver}.py", *contender.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,
            env={**_own_environment(), **_folders(folder), **contender.environment},
        )


def _own_environment() -> dict[str, str]:
    """Without what would make Python compile every module at every start: the warm-up leaves its caches."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _folders(folder: Path) -> dict[str, str]:
    """Nothing of the user's is read or written."""
    names = (
        "HOME",
        "FARCELL_DATA_DIR",
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
    )
    return {name: str(folder / name.lower()[-12:]) for name in names}


def _end_all_of(folder: Path) -> None:
    """Kills, by pid, whoever has the folder in its environment: kernels and daemons that outlived their driver."""
    left = [process for process in psutil.process_iter() if str(folder) in " ".join(_environment(process))]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)


def _environment(process: psutil.Process) -> Sequence[str]:
    try:
        return [*process.environ().values()]
    except psutil.Error:  # it ended meanwhile, or is somebody else's
        return []
