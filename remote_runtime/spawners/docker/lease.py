"""A lease's folder as the Docker spawner fills it; the agent's alone, at `layout.LEASE` in the container."""

from __future__ import annotations

from pathlib import Path

from ...api import Image
from ...api.image import StepKind
from ...api.json_form import encode
from ..contract import ContainerSpec
from ..lease_folder import AgentSettings, write_private
from . import layout
from .cache_folder import share_cache

_TOKEN, _SETTINGS, _LOG = "token", "agent.json", "container.log"
_HARMLESS = (StepKind.PIP, StepKind.APT, StepKind.ENV)
MAX_NOTED_BYTES = 64 << 10


def fill_lease(spec: ContainerSpec, launcher: str) -> None:
    """Token and settings are written anew. Raises `OSError`."""
    share_cache(spec.cache, layout.KERNEL_UID)
    write_private(spec.folder / _TOKEN, spec.token.encode())
    write_private(spec.folder / _SETTINGS, encode(_agent_settings(spec, launcher)))
    (spec.folder / _LOG).touch(mode=0o600)


def clear_lease(folder: Path) -> None:
    """Removes what must not outlive the container."""
    (folder / _TOKEN).unlink(missing_ok=True)


def needs_note(folder: Path) -> bool:
    """Whether nothing is in a container's log yet; it has none where the lease's folder is gone."""
    try:
        return not (folder / _LOG).stat().st_size
    except OSError:
        return False


def note_engines_log(folder: Path, said: bytes) -> None:
    """What a container wrote before its agent had a log, once: it says why there never was an agent."""
    if said and needs_note(folder):
        (folder / _LOG).write_bytes(said[-MAX_NOTED_BYTES:])


def trusts_its_root(image: Image) -> bool:
    """Whether what the container's root runs is its operator's image and signed packages alone.

    A base, commands and files of the user's own could put any program in apt's place.
    """
    return not image.base and all(step.kind in _HARMLESS for step in image.steps)


def _agent_settings(spec: ContainerSpec, launcher: str) -> AgentSettings:
    return AgentSettings(
        gateway_id=spec.gateway_id,
        session_id=spec.session_id,
        lease_id=spec.lease_id,
        socket=f"{layout.GATEWAY}/{spec.socket.name}",
        token_file=f"{layout.LEASE}/{_TOKEN}",
        python="python3",
        home=layout.HOME,
        work=layout.WORK,
        run=layout.RUN,
        log=f"{layout.LEASE}/{_LOG}",
        devices=spec.devices,
        egress=f"{layout.EGRESS}/{spec.egress.name}" if spec.egress else None,
        kernel_uid=layout.KERNEL_UID,
        launcher=launcher,
        apt=trusts_its_root(spec.image),
    )
