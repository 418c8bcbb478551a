"""``farcell backup``: a gateway's folder in one file, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import Conflict
from .command import Command, console, notices
from .gateway import Gateway
from .serve import FOLDER_ALIASES


class MakeBackup(Command):
    name = "farcell backup"
    description = (
        "Copies a gateway's database, journals and logs into FILE, also while it serves. Users, sessions, the ledger "
        "and all output are in it; caches and images are not. A database that is not in the folder (--database-url) "
        "has tools of its own, such as pg_dump."
    )
    arguments = "FILE"
    classes: list[Any] = [Gateway]
    aliases: dict[Any, Any] = FOLDER_ALIASES
    subcommands: dict[str, Any] = {
        "restore": (f"{__name__}.RestoreBackup", "make a gateway's folder again from such a FILE")
    }

    def run(self) -> None:
        from ..gateway.backup import back_up

        gateway = Gateway(config=self.config)
        target = Path(self.extra_args[0]).absolute()
        made = back_up(gateway.path, target)
        console.print(f"{target}: {made.leases} leases, {made.size_bytes / 1e6:.1f} MB")
        if not made.database:
            notices.print(
                f"without the database, which is not in {gateway.path}: back it up with its own tools"
            )


class RestoreBackup(Command):
    name = "farcell backup restore"
    description = (
        "Makes a gateway's folder again from FILE, which 'farcell backup' wrote. The folder must not have a database "
        "yet. Tokens that people have go on working; sessions that ran are found gone when the gateway serves again."
    )
    arguments = "FILE"
    classes: list[Any] = [Gateway]
    aliases: dict[Any, Any] = FOLDER_ALIASES

    def run(self) -> None:
        from ..gateway.backup import restore
        from ..gateway.service import lock_folder

        gateway = Gateway(config=self.config)
        if not lock_folder(gateway.path):
            raise Conflict(f"a gateway serves from {gateway.path}: stop it first, or take another --folder")
        made = restore(Path(self.extra_args[0]), gateway.path)
        console.print(f"{gateway.path}: {made.leases} leases")
