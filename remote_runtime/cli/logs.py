"""``farcell logs``: what was written for a session, once or as it comes."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import Any

from traitlets import Bool, Enum, Int

from ..api import Session
from ..client.logs import LogWish, follow
from ..errors import BadRequest, GatewayUnreachable
from .command import DEBUG_FLAG, Command, console, notices
from .sessions import find_session, live

AGAIN_S = 1.0


class ShowLog(Command):
    name = "farcell logs"
    description = (
        "Shows the end of what was written for a session: its image's build, and what its container, agent and kernel "
        "wrote beside their cells' output. SESSION is its name or id, as listed by 'farcell sessions'; without it, the "
        "one that runs; an operator may give anybody's id. Logs are kept for a while after the end."
    )
    arguments = "[SESSION]"
    following = Bool(help="go on with what comes").tag(config=True)
    lines = Int(0, min=0, help="how many").tag(config=True)
    source = Enum(["", "build", "container", "agent", "kernel"], "", help="of this one alone").tag(
        config=True
    )
    aliases: dict[Any, Any] = {
        ("n", "lines"): ("ShowLog.lines", "the last so many lines (default: as many as fit into 256 KiB)"),
        "source": ("ShowLog.source", "of build, container, agent or kernel alone"),
    }
    placeholders = {"lines": "N"}
    flags: dict[Any, Any] = {
        ("f", "follow"): (
            {"ShowLog": {"following": True}},
            "go on with what comes, over broken links too, until the session has no container any more",
        ),
        "build": ({"ShowLog": {"source": "build"}}, "of its image's build alone"),
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..client.blocking import Client

        with closing(Client()) as client:
            session = (
                find_session(client, self.extra_args[0]) if self.extra_args else _only(client.sessions())
            )
            ask, wish = partial(client.log, session.id), LogWish(self.lines, self.source)
            for text in follow(ask, wish, _look_again) if self.following else [ask(wish).text]:
                console.out(text, end="")
                console.file.flush()


def _look_again(error: GatewayUnreachable) -> None:
    notices.print(f"{error}; looking again …")
    time.sleep(AGAIN_S)


def _only(sessions: list[Session]) -> Session:
    """The one that is meant when none is named: that which runs, or the newest."""
    running = live(sessions)
    if len(running) > 1:
        raise BadRequest(f"say which: farcell logs {' | '.join(one.name for one in running)}")
    if not sessions:
        raise BadRequest("there are no sessions yet, and so no logs")
    return running[0] if running else sessions[0]
