"""What an operator can set of the process spawner in ``farcell_config.py``."""

from __future__ import annotations

from traitlets import Enum, Int
from traitlets.config import Configurable

from .containment import Limits
from .contract import SpawnerSetup
from .machine import ProcessSettings


class ProcessOptions(Configurable):
    """What stands under ``c.ProcessSpawner``."""

    containment = Enum(
        ["auto", "cgroup", "marker"], "auto", help="what holds a container's processes together"
    ).tag(config=True)
    max_processes = Int(
        4096, allow_none=True, help="processes and threads of one container; None is no limit"
    ).tag(config=True)
    max_memory_bytes = Int(
        None, allow_none=True, help="memory of one container; None is no limit; needs a cgroup"
    ).tag(config=True)

    @classmethod
    def section_names(cls) -> list[str]:
        """An operator configures the spawner, and need not know this class."""
        return ["ProcessSpawner"]

    def settings(self, setup: SpawnerSetup) -> ProcessSettings:
        return ProcessSettings(
            root=setup.folder / "containers",
            environment=setup.environment,
            simulate=setup.simulate,
            containment=self.containment,
            limits=Limits(self.max_processes, self.max_memory_bytes),
        )
