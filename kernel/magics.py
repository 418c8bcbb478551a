"""The magics: ``%%gpu`` on a cell, ``%gpu`` for everything around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from farcell.remote_runtime.api.duration import parse_duration
from farcell.remote_runtime.client.endings import format_duration
from farcell.remote_runtime.errors import BadRequest

from .arguments import CELL_USAGE, Command, parse_cell, parse_command
from .reports import (
    bill_table,
    image_lines,
    images_table,
    jobs_table,
    offers_table,
    saved_lines,
    sessions_table,
    signals_line,
)
from .sentences import ended_line
from .sessions import NotebookSessions
from .tables import Table

HELP = f"""\
{CELL_USAGE}
    runs the cell on a far GPU and keeps its state for the next. REQUEST is H100, H100:2, H100,L40S (the first that
    can be had), 24GB (any GPU with that much memory) or cpu; without one, this notebook's last is used.
    -n NAME      a session of its own          --idle 10s    idle time until it stops (default 5m)
    -q           no line with time and cost    --timeout 1h  interrupts the cell after that
    --bg         a job: it runs on while the next cells run
    --network    what it reaches: none, egress (every public host), or hosts such as pypi.org,*.huggingface.co
    --isolation  what stands between it and the machine: container or sandbox
    --pip torch transformers   packages to install first, once
    --image IMAGE              a variable with a farcell.Image, a saved image's name, or a registry's reference such
                               as pytorch/pytorch:2.4.0; default is the plain one again
%gpu jobs              this notebook's jobs
%gpu wait [JOB ...]    waits for all jobs, or for these; shows what was not shown, raises what they raised
%gpu cancel JOB        interrupts one job
%gpu, %gpu status      this notebook's sessions, with their idle signals
%gpu sessions          all your sessions
%gpu offers            what can be had now, and what it costs
%gpu attach [NAME]     another notebook's session, or this one's again, with the output that was missed
%gpu use REQUEST       what a bare %%gpu uses from now on
%gpu restart [NAME]    a fresh kernel in the same container
%gpu stop [NAME|--all] ends a session: billing stops, variables are gone
%gpu keep [1h] [NAME]  no idle stop for so long; %gpu keep 0s takes it back
%gpu bill              what this notebook has cost, by cell and idle time
%gpu image [NAME]      the session's image, and what was installed in it by hand since
%gpu image save [NAME] keeps that as an image, for its next start and under a name
%gpu image list        the images that you keep
%gpu logs [NAME]       what build, container, agent and kernel wrote; in a terminal, farcell logs -f follows
%gpu help              this"""


class Text:
    """A text that shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


@magics_class
class FarcellMagics(Magics):
    """Registered by ``%load_ext farcell``."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.sessions = NotebookSessions(shell)
        self._verbs: dict[str, Callable[[Command], object]] = {
            "status": self._status,
            "sessions": self._all_sessions,
            "offers": lambda _: offers_table(self.sessions.client.offers()),
            "use": self._use,
            "attach": self._attach,
            "restart": self._restart,
            "stop": self._stop,
            "keep": self._keep,
            "bill": self._bill,
            "logs": self._logs,
            "image": self._image,
            "jobs": lambda _: jobs_table(self.sessions.jobs.reports()),
            "wait": self._wait,
            "cancel": lambda command: Text(self.sessions.jobs.cancel(command.operands)),
            "help": lambda _: Text(HELP),
        }

    @cell_magic("gpu")  # type: ignore[arg-type]  # the decorator's types are Never
    def gpu_cell(self, line: str, cell: str) -> None:
        """Runs the cell on a far GPU; see ``%gpu help``."""
        self.sessions.run(parse_cell(line), cell)

    @line_magic("gpu")  # type: ignore[arg-type]
    def gpu_line(self, line: str) -> Any:
        """Everything around far cells; see ``%gpu help``."""
        command = parse_command(line, list(self._verbs))
        return self._verbs[command.verb](command)

    def close(self) -> None:
        self.sessions.close()

    def _status(self, _: Command) -> Table:
        sessions = self.sessions.own()
        table = sessions_table(sessions, with_path=False)
        footer = [line for session in sessions if (line := signals_line(session))]
        return Table(table.columns, table.rows, footer, table.empty)

    def _all_sessions(self, _: Command) -> Table:
        return sessions_table(self.sessions.client.sessions(), with_path=True)

    def _use(self, command: Command) -> Text:
        if len(command.operands) != 1:
            raise BadRequest("%gpu use takes one request, as in %gpu use H100")
        spec = self.sessions.use(command.operands[0])
        return Text(f"%%gpu now means {spec.request} (session {spec.key.name}); nothing was started")

    def _attach(self, command: Command) -> Text:
        session = self.sessions.attach(_only(command))
        ended = "; it has ended, the next far cell starts it anew" if session.state.is_over else ""
        return Text(f"%%gpu now means session {session.name} on {session.label}{ended}")

    def _restart(self, command: Command) -> Text:
        session = self.sessions.find(_only(command))
        self.sessions.client.restart(session.id)
        return Text(f"session {session.name} has a fresh kernel: variables are gone, files are there")

    def _stop(self, command: Command) -> Text:
        name = _only(command)
        if name == "--all":
            sessions = [one for one in self.sessions.client.sessions() if not one.state.is_over]
        else:
            sessions = [self.sessions.find(name)]
        ended = [self.sessions.client.stop(session.id) for session in sessions]
        return Text("\n".join(map(ended_line, ended)) or "nothing runs")

    def _keep(self, command: Command) -> Text:
        duration, name = (*command.operands, None, None)[:2]
        seconds = 0.0 if duration in ("0", "0s") else parse_duration(duration or "1h")
        session = self.sessions.client.keep(self.sessions.find(name).id, seconds)
        kept = f"is kept for {format_duration(seconds)}" if seconds else "may stop when it is idle again"
        return Text(f"session {session.name} {kept}")

    def _bill(self, _: Command) -> Table:
        return bill_table(self.sessions.client.bill(), self.sessions.notebook.session_key("all").path)

    def _logs(self, command: Command) -> Text:
        session = self.sessions.find(_only(command))
        return Text(self.sessions.client.log(session.id).text or f"session {session.name} has no log yet")

    def _image(self, command: Command) -> Text | Table:
        match command.operands:
            case ("list",):
                return images_table(self.sessions.client.images())
            case ("save",) | ("save", _):
                session = self.sessions.find(None)
                name = command.operands[1] if len(command.operands) > 1 else None
                return Text(saved_lines(session, self.sessions.client.save_image(session.id, name)))
            case () | (_,) | ("show", _):
                names = [word for word in command.operands if word != "show"]
                return Text(image_lines(self.sessions.find(next(iter(names), None))))
        raise BadRequest("write %gpu image [NAME], %gpu image save [NAME] or %gpu image list")

    def _wait(self, command: Command) -> Text | None:
        said = self.sessions.jobs.wait(command.operands)
        return None if said is None else Text(said)


def _only(command: Command) -> str | None:
    """The one operand, or None; raises `BadRequest` for more."""
    if len(command.operands) > 1:
        raise BadRequest(f"%gpu {command.verb} takes one name at most, not {' '.join(command.operands)}")
    return command.operands[0] if command.operands else None
