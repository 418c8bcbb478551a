"""The notebook's sessions: which there are, what the last request was, and the line under the cell that ran last."""

from __future__ import annotations

import atexit
import contextlib
from dataclasses import replace
from pathlib import PurePath

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime.api import (
    Image,
    LeaseId,
    Request,
    Session,
    SessionId,
    SessionKey,
    SessionSettings,
    SessionSpec,
    default_table,
)
from farcell.remote_runtime.client.blocking import Client, Face
from farcell.remote_runtime.client.cell import CellSource, new_header
from farcell.remote_runtime.client.chosen_image import asks_gateway, chosen_image
from farcell.remote_runtime.errors import BadRequest, FarcellError, SessionNotFound, UnknownGpu

from .arguments import CellArguments
from .display import NoteLine
from .far_cell import FarCell
from .far_comms import FarComms
from .front_end import FrontEnd
from .jobs import Job, NotebookJobs, Place
from .notebook import Notebook
from .requests import RelayedRequests
from .sentences import ended_line, idle_line, taken_line
from .stray import StrayMessages


class NotebookSessions:
    """Remembers what the notebook asked for, runs its far cells, and keeps the line under the last one true."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.notebook = Notebook(shell)
        self._shell = shell
        self._client: Face | None = None
        self._front_end = FrontEnd(shell)
        self._requests = RelayedRequests()
        self.comms = FarComms(self._front_end, self._requests, lambda: self._client)
        self._stray = StrayMessages(self._front_end, self._requests, self.comms)
        self.jobs = NotebookJobs(shell)
        self._learned: set[LeaseId] = set()
        self._specs: dict[str, SessionSpec] = {}
        self._last: str | None = None
        self._lines: dict[SessionId, NoteLine] = {}

    @property
    def client(self) -> Face:
        """Made at first use: loading the extension starts nothing."""
        if self._client is None:
            name = PurePath(self.notebook.path() or "a notebook").name
            self._client = Client(stray=self._stray, changed=self._changed, name=name)
            atexit.register(self.close)
        return self._client

    @property
    def known_client(self) -> Face | None:
        """None before the first use."""
        return self._client

    def adopt(self, client: Face, spec: SessionSpec) -> None:
        """In a Farcell kernel: its own way to the gateway, and its session as that of a bare ``%%gpu``."""
        self._client = client
        client.listen(self._changed)
        self._remember(spec)

    # --- running ---

    def run(self, arguments: CellArguments, code: str) -> None:
        """Runs a ``%%gpu`` cell, a job to its beginning; raises what it raised."""
        spec = self.spec(arguments)
        header, alone = self.notebook.header()
        asks = self.notebook.allows_input
        source = CellSource(code, header, self.notebook.number, asks, in_background=arguments.in_background)
        request = self._requests.remember(
            source.execute_id, self.notebook.request_header() or header, is_cell=True
        )
        run = self.client.run_cell(source, spec)
        timeout_s = None if source.in_background else arguments.timeout_s
        cell = FarCell(self._shell, run, timeout_s, arguments.quiet, alone)
        cell.hear_comm = lambda output: self.comms.heard(spec.key, request.here(output), request.header)
        try:
            if source.in_background:
                cell.show_beginning()
                place = Place(self._front_end, request.header, cell.hear_comm, late=self.notebook.is_watched)
                self.jobs.begin(run, place, arguments.timeout_s, self._job_ended)
            else:
                cell.show()
        finally:
            if run.session is not None:
                if not source.in_background:
                    self._lines[run.session.id] = cell.line
                self._remember(spec)
                self._learn_comms(run.session)

    def _job_ended(self, job: Job) -> None:
        if job.run.session is not None and job.place.late:
            self._lines[job.run.session.id] = job.line

    def attach(self, name: str | None) -> Session:
        """Makes a session, also another notebook's, the one of a bare ``%%gpu``, and shows what was missed of it.

        What still runs in it is shown up to its end. A notebook that had it is told. Starts nothing.
        """
        session = self.find(name)
        wishes = (session.settings, session.image, session.walls)
        spec = SessionSpec(session.key, session.request, *wishes, keeps_image=True)
        self._remember(spec)
        if session.state.is_over:
            FarCell(self._shell, self.client.show_missed(session), quiet=True, alone=False).show()
            return session
        nothing = CellSource("", new_header(), allow_stdin=self.notebook.allows_input, silent=True)
        FarCell(self._shell, self.client.run_cell(nothing, spec, take=True), quiet=True, alone=False).show()
        self._learn_comms(session)
        return session

    def _learn_comms(self, session: Session) -> None:
        """Once for each of its containers: the first cell may have found widgets there."""
        if session.lease_id is not None and session.lease_id not in self._learned:
            self._learned.add(session.lease_id)
            self.comms.learn(session.key)

    def use(self, request: str) -> SessionSpec:
        """Makes `request` the one that a bare ``%%gpu`` uses; starts nothing."""
        spec = self.spec(CellArguments(request=request))
        self._remember(spec)
        return spec

    def _remember(self, spec: SessionSpec) -> None:
        """A bare ``%%gpu`` means this from now on."""
        self._specs[spec.key.name] = spec
        self._last = spec.key.name

    def spec(self, arguments: CellArguments) -> SessionSpec:
        """What the arguments ask for, with what they leave out taken from the notebook's cells before."""
        known = self._specs.get(arguments.name or self._last or "")
        if arguments.request is not None:
            request = self._parse(arguments.request)
            name = arguments.name or request.default_name
            known = self._specs.get(name)
        elif known is not None:
            request, name = known.request, known.key.name
        else:
            raise BadRequest(self._how_to_ask(arguments.name))
        settings = known.settings if known else SessionSettings()
        if arguments.idle_s is not None:
            settings = replace(settings, idle_s=arguments.idle_s)
        key = known.key if known else self.notebook.session_key(name)
        walls = arguments.walls.over(known.walls) if known else arguments.walls
        image = self._image(arguments)
        before = known.image if known else Image()
        return SessionSpec(key, request, settings, image or before, walls, keeps_image=image is None)

    def _image(self, arguments: CellArguments) -> Image | None:
        """What the arguments ask for; None where they keep what there is."""
        variables = self._shell.user_ns
        saved = self.client.images() if asks_gateway(arguments.image, variables) else []
        return chosen_image(arguments.image, arguments.pip, saved, variables)

    def session_for(self, arguments: CellArguments) -> SessionKey | None:
        """The session of a cell that would say this, as far as that is known without asking anybody."""
        name = arguments.name
        if name is None and arguments.request is not None:
            try:
                name = Request.parse(arguments.request).default_name
            except FarcellError:
                return None
        known = self._specs.get(name or self._last or "")
        return known.key if known else None

    def _parse(self, text: str) -> Request:
        """A type that Farcell does not know may still be one that the gateway has found in its machine."""
        try:
            return Request.parse(text)
        except UnknownGpu:
            offered = (offer.gpu_type for offer in self.client.offers())
            return Request.parse(text, default_table().including(filter(None, offered)))

    def _how_to_ask(self, name: str | None) -> str:
        named = (
            f"this notebook has no session {name!r} yet"
            if name
            else "this notebook has not asked for a GPU yet"
        )
        with contextlib.suppress(FarcellError):
            labels = ", ".join(offer.label for offer in self.client.offers())
            return f"{named}: write %%gpu with one of {labels}"
        return f"{named}: write one, such as %%gpu H100"

    # --- finding ---

    def own(self) -> list[Session]:
        """The notebook's sessions as the gateway has them, the newest first."""
        return [session for session in self.client.sessions() if self.notebook.has(session.key)]

    def find(self, name: str | None) -> Session:
        """The notebook's session of that name (without one: the last used), or another's where the name is unique.

        Raises `SessionNotFound`, which names those that there are.
        """
        wanted = name or self._last
        own = self.own()
        for session in own:
            if session.name == wanted:
                return session
        others = [session for session in self.client.sessions() if wanted in (session.name, session.id)]
        if len(others) == 1:
            return others[0]
        raise SessionNotFound(_not_found(wanted, own, others))

    # --- the line under the last cell ---

    def _changed(self, session: Session) -> None:
        """Called on the client's thread whenever the gateway tells of a session."""
        if session.state.is_over:
            self.comms.end(self.comms.of(session.key))
        line = self._lines.get(session.id)
        if line is None:
            return
        if session.state.is_over:
            line.rewrite(ended_line(session))
            del self._lines[session.id]
        elif not self.client.holds(session):
            line.note(taken_line(session))
        elif warning := idle_line(session):
            line.note(warning)
        else:
            line.note(None)

    def close(self) -> None:
        """Ends what belongs to this kernel alone, and lets go of the gateway. May be called twice."""
        client, self._client = self._client, None
        atexit.unregister(self.close)
        if client is None:
            return
        if any(spec.key.ephemeral for spec in self._specs.values()):
            with contextlib.suppress(FarcellError):
                client.stop_all(lambda session: session.key.ephemeral and self.notebook.has(session.key))
        client.close()


def _not_found(wanted: str | None, own: list[Session], others: list[Session]) -> str:
    if others:
        ids = ", ".join(f"{session.id} ({session.key.path})" for session in others)
        return f"several of your sessions are called {wanted!r}: give the id, one of {ids}"
    names = ", ".join(session.name for session in own) or "none yet"
    asked = f"no session {wanted!r}" if wanted else "no session"
    return f"this notebook has {asked}; it has: {names}"
