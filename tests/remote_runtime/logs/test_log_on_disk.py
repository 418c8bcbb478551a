"""A lease's log: written by threads and pipes, bounded, read while it grows."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import DEADLINE_S

from farcell.remote_runtime.logs.format import MAX_LINE_BYTES, SEGMENTS, plain, segments, too_many
from farcell.remote_runtime.logs.reader import read_log, tail_start
from farcell.remote_runtime.logs.writer import LogHandler, LogPump, LogWriter

AT = "2026-01-31T12:00:00.000Z"
MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def writer(folder: Path, limit_bytes: int = MIB) -> LogWriter:
    return LogWriter(folder, limit_bytes, lambda: AT)


def texts(folder: Path, after: int = 0) -> list[str]:
    return [line.text for line in read_log(folder, after, 64 * MIB).lines]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_lines_have_their_time_and_source(folder: Path):
    log = writer(folder)
    log.put("kernel", b"one\r\ntwo\n")
    log.put("agent", b"three\n")
    log.close()
    lines = read_log(folder, 0, MIB).lines
    assert [(line.source, line.text, line.at) for line in lines] == [
        ("kernel", "one", AT),
        ("kernel", "two", AT),
        ("agent", "three", AT),
    ]


def test_two_sources_never_share_a_line(folder: Path):
    log = writer(folder)
    log.put("kernel", b"half ")
    log.put("agent", b"whole\n")
    log.put("kernel", b"a line\nand a rest")
    log.close()
    assert texts(folder) == ["whole", "half a line", "and a rest"]


def test_a_line_without_end_is_cut(folder: Path):
    log = writer(folder)
    log.put("kernel", b"x" * (2 * MAX_LINE_BYTES + 3))
    log.close()
    assert [len(text) for text in texts(folder)] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 3]


def test_of_what_is_too_much_beginning_and_end_stay_and_the_gap_is_told(folder: Path):
    log = writer(folder, 64 << 10)
    for number in range(20_000):
        log.put("kernel", b"line %d\n" % number)
    log.close()
    assert size(folder) <= 64 << 10
    assert len(segments(folder)) <= SEGMENTS
    found = texts(folder)
    assert found[0] == "line 0"
    assert found[-1] == "line 19999"
    (gap,) = [number for number, text in enumerate(found) if "left out" in text]
    numbers = (
        [int(text.split()[1]) for text in found[:gap]],
        [int(text.split()[1]) for text in found[gap + 1 :]],
    )
    assert all(after - before == 1 for some in numbers for before, after in pairwise(some))
    left_out = (20_000 - len(found) + 1) * len(f"{AT} kernel line 12345\n")
    assert found[gap].startswith(f"… {left_out / 1e6:.1f} MB")


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(1, 500))
def test_whatever_is_written_is_read_in_pieces_as_at_once(tmp_path_factory, pieces: list[bytes], step: int):
    folder = tmp_path_factory.mktemp("log") / "log"
    log = writer(folder)
    for piece in pieces:
        log.put("kernel", piece)
    log.close()
    at_once, position, stepwise = read_log(folder, 0, MIB), 0, []
    while position < at_once.position:
        piece = read_log(folder, position, step + MAX_LINE_BYTES)
        assert piece.position > position
        position = piece.position
        stepwise += piece.lines
    assert tuple(stepwise) == at_once.lines


def test_who_reads_behind_a_position_gets_what_came_since(folder: Path):
    log = writer(folder)
    log.put("kernel", b"before\n")
    position = read_log(folder, 0, MIB).position
    assert read_log(folder, position, MIB).lines == ()
    log.put("kernel", b"since\n")
    assert texts(folder, position) == ["since"]
    log.close()


def test_the_next_agent_of_a_lease_goes_on_with_its_log(folder: Path):
    for text in (b"first\n", b"second\n"):
        log = writer(folder)
        log.put("agent", text)
        log.close()
    assert texts(folder) == ["first", "second"]


@pytest.mark.parametrize("back", [1, 10, 39, 40, 41, 5000, 10**9])
def test_a_tail_begins_with_a_whole_line(folder: Path, back: int):
    log = writer(folder, 16 << 10)
    for number in range(1000):
        log.put("kernel", b"%08d\n" % number)
    log.close()
    found = read_log(folder, tail_start(folder, back), MIB).lines
    numbers = [int(line.text) for line in found if line.source == "kernel"]
    assert numbers == sorted(numbers)
    assert numbers[-1:] in ([], [999])
    assert sum(len(AT) + 17 for _ in numbers) <= max(back, 0)


def test_which_segments_go():
    assert too_many([]) == []
    assert too_many([0, 10]) == []
    assert too_many([*range(SEGMENTS)]) == []
    assert too_many([*range(SEGMENTS + 3)]) == [1, 2, 3]


def test_a_line_that_a_full_disk_tore_holds_nobody_up(folder: Path):
    folder.mkdir()
    torn = f"{AT} kernel torn".encode()
    (folder / f"{0:020d}.log").write_bytes(torn)
    (folder / f"{len(torn):020d}.log").write_bytes(f"{AT} kernel next\n".encode())
    assert texts(folder) == ["torn", "next"]


def test_a_full_disk_is_told_of_later_and_stops_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch):
    log = writer(folder)
    log.put("kernel", b"before\n")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("farcell.remote_runtime.logs.writer.os.write", full)
        log.put("kernel", b"lost\n")
    log.put("kernel", b"after\n")
    log.close()
    before, told, after = texts(folder)
    assert (before, after) == ("before", "after")
    assert "could not be written here" in told


def test_what_would_move_a_terminals_cursor_is_taken_out():
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07tab\there \x1b[2J") == "red tab\there "
    assert plain("a\rb\x00c\x9bd") == "a\ufffdb\ufffdc\ufffdd"


def test_records_of_logging_are_lines(folder: Path):
    log = writer(folder)
    record = logging.LogRecord("a.name", logging.INFO, "", 1, "%s said", ("somebody",), None)
    LogHandler(log, "agent").handle(record)
    log.close()
    assert texts(folder) == ["somebody said"]


# --- the pump ---

CHATTERS = "import os, sys\nwhile True:\n    os.write(1, b'chatter ' * 8000 + b'\\n')\n"


def until(fact) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def chattering(output: int):
    with subprocess.Popen([sys.executable, "-c", CHATTERS], stdout=output) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_process_that_writes_for_ever_is_not_held_up_and_fills_no_disk(folder: Path, pipe):
    log = writer(folder, 256 << 10)
    pump = LogPump(pipe[0], log, "kernel")
    pump.start()
    with chattering(pipe[1]):
        until(lambda: segments(folder)[-1:] > [20 * MIB])
    pump.close()
    log.close()
    assert size(folder) <= 256 << 10
    assert any("left out" in text for text in texts(folder))


def test_a_pump_ends_while_somebody_still_writes(folder: Path, pipe):
    log = writer(folder)
    pump = LogPump(pipe[0], log, "kernel")
    pump.start()
    with chattering(pipe[1]):
        until(lambda: segments(folder))
        pump.close()
        pump.close()
    log.close()


def test_what_came_last_is_there_when_a_pump_has_ended(folder: Path, pipe):
    log = writer(folder)
    pump = LogPump(pipe[0], log, "kernel")
    pump.start()
    os.write(pipe[1], b"the last words, without an end")
    pump.close()
    log.close()
    assert texts(folder) == ["the last words, without an end"]


def test_what_has_no_end_is_shown_after_a_moment(folder: Path, pipe):
    log = writer(folder)
    pump = LogPump(pipe[0], log, "kernel")
    pump.start()
    os.write(pipe[1], b"password: ")
    until(lambda: texts(folder) == ["password: "])
    pump.close()
    log.close()
