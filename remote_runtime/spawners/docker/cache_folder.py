"""The owner's cache folder, made usable for the gateway's user and for the kernel's, who differ.

The folder lies in the gateway's own, which nobody else enters. Whoever writes there, the other may read and remove it.
"""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

log = logging.getLogger(__name__)

# linux/posix_acl_xattr.h
_VERSION, _NO_ID = 2, 0xFFFFFFFF
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
_ALL = 7
_DEFAULT_ACL = "system.posix_acl_default"


def share_cache(folder: Path, kernel_uid: int) -> None:
    """Makes the folder; the gateway's user need not be root for it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o777 != 0o777:
        folder.chmod(0o777)
    acl = inherited_acl({os.getuid(), kernel_uid})
    try:
        if _DEFAULT_ACL not in os.listxattr(folder):
            os.setxattr(folder, _DEFAULT_ACL, acl)
    except OSError as error:  # the file system has none: what containers put there, only root can remove
        log.info("%s can't hand its permissions on: %s", folder, error.strerror)


def inherited_acl(uids: set[int]) -> bytes:
    """A default access control list with which `uids` may do all with what is made in a folder (``acl(5)``)."""
    users = [(_USER, _ALL, uid) for uid in sorted(uids)]
    others = [(_GROUP, _ALL, _NO_ID), (_MASK, _ALL, _NO_ID), (_OTHERS, _ALL, _NO_ID)]
    entries = [(_OWNER, _ALL, _NO_ID), *users, *others]
    return struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
