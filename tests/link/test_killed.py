"""Gateways, agents and clients killed in a cell: its output comes whole, in order and once, and the bill is right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from endings import assert_whole
from far_machine import eventually, kill
from far_world import OwnWorld
from scripted_cell import Script, Told, answer_to, follow
from session_journal import told_by_journal
from the_book import charged_and_owed

from farcell.remote_runtime.client.cell import InputRequest
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import OutcomeUnknown

CLIENT = Path(__file__).with_name("client_program.py")


@pytest.fixture(scope="module")
def own() -> Iterator[OwnWorld]:
    with OwnWorld() as own:
        follow(own.start("warm = 1"))
        yield own


@pytest.fixture
def script(own: OwnWorld) -> Script:
    return Script(own.folder / f"runs-{time.monotonic_ns()}")


def long_script(script: Script, steps: int = 25, pause_s: float = 0.04) -> Script:
    for step in range(steps):
        script.prints(f"line {step}")
        if step % 5 == 0:
            script.shows(f"shown {step}", "one")
        if step % 5 == 3:
            script.updates(f"updated {step}", "one")
        script.pauses(pause_s)
    return script


def held_script(script: Script, steps: int = 25, pause_s: float = 0.04) -> Script:
    """It prints on while it is tampered with, and then waits to be told to go on."""
    long_script(script, steps, pause_s).waits()
    script.prints("last")
    return script


def running_gateway(own: OwnWorld) -> psutil.Process:
    """The one that the client has, or a new one where the last was killed and nobody has needed another since."""
    own.client.sessions()
    return own.gateway


def assert_bill_is_right(own: OwnWorld) -> None:
    """Once the agent has attested again; then every charge is there, and none twice."""
    before = charged_and_owed(own.folder)
    newest = own.session().lease_id
    eventually(
        lambda: charged_and_owed(own.folder).get(str(newest), (0, 0)) > before.get(str(newest), (-1, 0))
    )
    assert all(paid == owed for paid, owed in charged_and_owed(own.folder).values())


def test_a_gateway_killed_in_a_cell_costs_nothing(own: OwnWorld, script: Script):
    run = own.start(held_script(script).source)
    told = follow(run, until=lambda told: "line 5\n" in told.text)
    kill(running_gateway(own))
    script.go_on()
    assert_whole(script, follow(run, told=told))
    assert told.broken == 1
    assert_bill_is_right(own)


def test_a_gateway_killed_three_times_in_a_cell_costs_nothing(own: OwnWorld, script: Script):
    run = own.start(held_script(script, 60, 0.06).source)
    told = Told()
    for step in (5, 20, 35):
        follow(run, told=told, until=lambda told, step=step: f"line {step}\n" in told.text)
        kill(running_gateway(own))
    script.go_on()
    assert_whole(script, follow(run, told=told))


@pytest.mark.parametrize("after_ms", [0, 5, 20])
def test_a_gateway_killed_right_after_the_request_runs_the_cell_once(
    own: OwnWorld, script: Script, after_ms: int
):
    script.prints("done")
    gateway = running_gateway(own)
    run = own.start(script.source)
    time.sleep(after_ms / 1000)
    kill(gateway)
    assert_whole(script, follow(run))


def test_a_gateway_killed_at_a_question_asks_once_and_takes_the_answer(own: OwnWorld, script: Script):
    script.prints("before")
    script.asks("question")
    run = own.start(script.source)
    told = Told()
    question = until_asked(run, told)
    kill(running_gateway(own))
    follow(run, told=told, until=lambda told: told.broken)
    run.answer(question, answer_to("question"))
    assert_whole(script, follow(run, told=told))


def test_an_answer_that_goes_to_a_dead_gateway_arrives_at_the_next_once(own: OwnWorld, script: Script):
    script.asks("first")
    script.asks("second")
    run = own.start(script.source)
    told = Told()
    question = until_asked(run, told)
    running_gateway(own).send_signal(signal.SIGKILL)
    run.answer(question, answer_to("first"))
    assert_whole(script, follow(run, told=told))


def until_asked(run, told: Told) -> InputRequest:
    while not isinstance(event := run.next(60), InputRequest):
        told.hear(event)
    told.hear(event)
    return event


def test_a_gateway_killed_as_the_cell_ends_hands_on_its_end(own: OwnWorld, script: Script):
    script.prints("last")
    script.lines.append(f"open({str(script.runs) + '.end'!r}, 'w').close()")
    run = own.start(script.source)
    eventually(Path(f"{script.runs}.end").exists)
    kill(running_gateway(own))
    assert_whole(script, follow(run))


def test_what_a_killed_client_missed_is_in_the_journal(own: OwnWorld, script: Script):
    script = long_script(script)
    heard = own.folder / "heard"
    given = {"execute_id": script.runs.name, "name": "link", "code": script.source, "file": str(heard)}
    client = subprocess.Popen([sys.executable, str(CLIENT), json.dumps(given)])
    eventually(lambda: heard.exists() and "line 5" in heard.read_text())
    client.kill()
    client.wait()
    told = Told()
    for line in heard.read_text().splitlines():
        told.hear(Output(*json.loads(line)))
    eventually(lambda: told_by_journal(own.session(), script.runs.name).shown[-1:] == script.expected[-1:])
    journal = told_by_journal(own.session(), script.runs.name)
    assert journal.shown == script.expected
    assert "".join(text for _, text in journal.shown).startswith("".join(text for _, text in told.shown))
    assert script.times_run == 1


def test_agent_and_gateway_killed_at_once_leave_the_outcome_unknown_and_the_output_whole(own: OwnWorld):
    script = held_script(Script(own.folder / "runs-both"))
    run = own.start(script.source, "both")
    told = follow(run, until=lambda told: "line 9\n" in told.text)
    far = own.of_lease(own.session("both"))
    for process in (running_gateway(own), own.agent(own.session("both"))):
        process.send_signal(signal.SIGKILL)
    follow(run, told=told)
    assert told.end is not None
    assert isinstance(told.end.error, OutcomeUnknown)
    assert told.shown == told_by_journal(own.session("both"), run.source.execute_id).shown
    assert told.shown[:-1] == script.expected[: len(told.shown) - 1]
    assert script.expected[len(told.shown) - 1][1].startswith(told.shown[-1][1])
    assert script.times_run == 1
    eventually(lambda: not any(process.is_running() for process in far))


def test_the_journal_is_served_when_no_container_runs(own: OwnWorld):
    script = long_script(Script(own.folder / "runs-stopped"), 5)
    run = own.start(script.source, "stopped")
    assert_whole(script, follow(run))
    session = own.session("stopped")
    own.client.stop(session.id)
    assert not own.of_lease(session)
    assert told_by_journal(own.session("stopped"), run.source.execute_id).shown == script.expected
