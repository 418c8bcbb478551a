"""What the agent's process may do in a container. Standard library only: the kernel waits for it.

It is started as the container's root, with few of root's capabilities, and at once becomes the user to whom the lease's
folder belongs: the gateway's. It keeps what it needs to start the kernel as another user, and to signal it.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PR_SET_KEEPCAPS = 8
_CAPABILITY_VERSION_3 = 0x20080522
# linux/capability.h
_KILL, _SETGID, _SETUID = 5, 6, 7
KEPT = 1 << _KILL | 1 << _SETGID | 1 << _SETUID


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def become_owner(folder: Path, kernel_uid: int) -> None:
    """Becomes the folder's owner, in its group, and in the kernel's beside that: for the sockets between the two.

    Raises `PermissionError` where this process may not, and where the owner is who the kernel will be: there would be
    no wall between the two.
    """
    owner = folder.stat()
    if owner.st_uid == kernel_uid:
        raise PermissionError(f"{folder} belongs to the kernel's user {kernel_uid}, and so would the agent")
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl")
    os.setgroups([kernel_uid])
    os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
    os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)(_Sets(KEPT, KEPT, 0), _Sets(0, 0, 0))
    _check(libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, f"{what}: {os.strerror(number)}")
