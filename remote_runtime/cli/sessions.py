"""``farcell sessions`` and ``stop``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from traitlets import Bool

from ..api import Session, from_json
from ..errors import BadRequest, Forbidden
from .command import DEBUG_FLAG, Command, console, notices
from .tables import sessions_table, show

if TYPE_CHECKING:
    from ..client.blocking import Client


class ListSessions(Command):
    name = "farcell sessions"
    description = "Lists your sessions, those without a container too, the newest first."
    everybody = Bool(help="list everybody's").tag(config=True)
    flags: dict[str, Any] = {
        "all": ({"ListSessions": {"everybody": True}}, "everybody's; for operators")
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..client.blocking import Client

        with closing(Client()) as client:
            sessions = _everybodys(client) if self.everybody else client.sessions()
        if sessions:
            show(sessions_table(sessions, owners=self.everybody))
        else:
            notices.print("no sessions yet")


def _everybodys(client: Client) -> list[Session]:
    """Raises `Forbidden`: the gateway itself would only list less."""
    me = client.get("/farcell/v1/me")
    if me["role"] != "operator":
        raise Forbidden(f"everybody's sessions are for operators; {me['name']} is none")
    return [from_json(Session, value) for value in client.get("/farcell/v1/sessions?all=1")["sessions"]]


class StopSessions(Command):
    name = "farcell stop"
    description = (
        "Ends a session's container, or takes it out of the queue. SESSION is its name or id, as listed by "
        "'farcell sessions'; an operator may give anybody's id."
    )
    arguments = "[SESSION]"
    every = Bool(help="stop all of them").tag(config=True)
    flags: dict[str, Any] = {"all": ({"StopSessions": {"every": True}}, "all of yours")} | DEBUG_FLAG

    def run(self) -> None:
        from ..client.blocking import Client

        if self.every == bool(self.extra_args):
            raise BadRequest("say which: farcell stop SESSION, or farcell stop --all")
        with closing(Client()) as client:
            for session in (
                live(client.sessions()) if self.every else [find_session(client, self.extra_args[0])]
            ):
                with notices.status(f"stopping {session.name} …"):
                    client.stop(session.id)
                console.print(f"stopped {told(session)}")


def live(sessions: Iterable[Session]) -> list[Session]:
    """Those that wait for a container, or have one."""
    return [one for one in sessions if not one.state.is_over]


def told(session: Session) -> str:
    """One session among others, in a sentence."""
    return f"{session.name} of {session.key.path} on {session.label}"


def find_session(client: Client, word: str) -> Session:
    """The user's session of that name, a live one before the others, else the one with that id.

    Raises `BadRequest` when several are meant, `SessionNotFound` when none is.
    """
    named = [session for session in client.sessions() if session.name == word]
    meant: Sequence[Session] = live(named) or named
    if len(meant) > 1:
        several = "; ".join(f"{session.id} ({session.key.path})" for session in meant)
        raise BadRequest(f"{len(meant)} sessions are called {word!r}, say one's id: {several}")
    return meant[0] if meant else client.session(word)
