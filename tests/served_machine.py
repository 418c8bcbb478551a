"""A data folder whose user is logged in to a gateway that is served there, as on a team's box."""

from __future__ import annotations

import secrets
from contextlib import ExitStack

import psutil
from far_machine import DEVICES, FarMachine
from farcell_command import Person, serve

from farcell.remote_runtime.embedded_facts import EmbeddedFacts


class ServedMachine(FarMachine):
    """`config` is the gateway's ``farcell_config.py``: it chooses the spawner and sets it up."""

    def __init__(self, config: str, devices: str = DEVICES) -> None:
        super().__init__(devices)
        self._gateway = ExitStack()
        try:
            self._serve(config)
        except BaseException:
            self._gateway.close()
            raise

    def _serve(self, config: str) -> None:
        (self.folder / "farcell_config.py").write_text(config)
        operator = Person(self.folder)
        self._served = self._gateway.enter_context(serve(operator, "--simulate", self.devices))
        self._token = operator.told("user", "add", f"ada-{secrets.token_hex(2)}", "--operator").strip()
        operator.told("login", self._served.url, stdin=self._token)
        self._gateway.callback(operator.told, "stop", "--all")

    @property
    def facts(self) -> EmbeddedFacts:
        return EmbeddedFacts(self._served.url, self._token, self._served.process.pid, self.devices)

    def of_lease(self, session) -> list[psutil.Process]:
        """Without the engine's own process, which has the lease's id in its environment, too."""
        return [one for one in super().of_lease(session) if one.name() not in ("docker-init", "tini")]

    def close(self) -> None:
        self._notebooks.close()
        self._gateway.close()
        super().close()
