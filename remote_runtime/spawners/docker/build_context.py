"""The context of a build as the engine wants it: one tar archive, in a file."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from ...errors import BuildFailed
from . import layout
from .dockerfile import ArchiveEntry, ProgramEntry, Recipe


def write_context(recipe: Recipe, archives: Path, sink: IO[bytes]) -> None:
    """Blocks. `archives` is the folder that has them, each named by its SHA-256. Raises `BuildFailed`.

    Owners and times are left out, so that the engine finds a layer of the same content again.
    """
    with tarfile.open(mode="w", fileobj=sink, format=tarfile.PAX_FORMAT) as context:
        _add_file(context, "Dockerfile", recipe.text.encode())
        for entry in recipe.entries:
            if isinstance(entry, ProgramEntry):
                _add_file(context, entry.name, entry.content)
            else:
                _add_archive(context, entry, archives / entry.sha256)


def _add_file(context: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        info.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        context.addfile(info, file)


def _add_archive(context: tarfile.TarFile, entry: ArchiveEntry, path: Path) -> None:
    """Its files, folders and links, below the entry's folder; whoever made the archive may be up to something."""
    folder = tarfile.TarInfo(entry.name)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    context.addfile(folder)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                context.addfile(_checked(member, entry.name), file)
    except FileNotFoundError as error:
        raise BuildFailed(
            "the gateway does not have the files that are to be copied any more; ask again"
        ) from error
    except tarfile.TarError as error:
        raise BuildFailed(f"the files to copy are no tar archive: {error}") from error


def _checked(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    parts = PurePosixPath(member.name).parts
    if ".." in parts or member.name.startswith("/"):
        raise BuildFailed(f"the files to copy have {member.name!r}, which lies outside of their folder")
    if not (member.isreg() or member.isdir() or member.issym()):
        raise BuildFailed(f"the files to copy have {member.name!r}, neither file, folder nor link")
    return member.replace(
        name="/".join((folder, *parts)),
        mode=member.mode & 0o777,
        uid=layout.KERNEL_UID,
        gid=layout.KERNEL_UID,
        uname="",
        gname="",
        mtime=0,
        deep=False,
    )
