"""How a container's root becomes the owner of its lease's folder, and what it may do then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farcell.remote_runtime.agent.privileges import KEPT, become_owner

KERNEL, OWNER = 10001, 10002
TELL = """
import os, subprocess, sys
from pathlib import Path
from farcell.remote_runtime.agent.privileges import become_owner
become_owner(Path(sys.argv[1]), 10001)
print(os.getresuid(), os.getresgid(), os.getgroups())
status = ["grep", "-E", "^Cap(Inh|Prm|Eff|Amb)"]
print(*Path("/proc/self/status").read_text().split("Cap")[2].split()[1:2])
print(subprocess.check_output(["/bin/grep", "CapEff", "/proc/self/status"], text=True).split()[1])
child = [*status, "/proc/self/status"]
print(subprocess.check_output(child, user=10001, group=10001, extra_groups=[], text=True).split()[1::2])
"""


@pytest.fixture
def folder(tmp_path: Path, require) -> Path:
    require("root", "becomes another user", found=os.geteuid() == 0)
    return tmp_path


@pytest.mark.parametrize("owner", [OWNER, 0])
def test_it_becomes_the_owner_and_keeps_what_starting_a_kernel_takes(folder, owner):
    os.chown(folder, owner, owner)
    told = subprocess.run(
        [sys.executable, "-c", TELL, str(folder)], capture_output=True, text=True, check=False
    )
    assert not told.returncode, told.stderr
    ids, permitted, _, kernels = told.stdout.splitlines()
    assert ids == f"{(owner,) * 3} {(owner,) * 3} [10001]"
    assert int(permitted, 16) == KEPT
    assert set(eval(kernels)) == {"0" * 16}  # the kernel has none


def test_an_owner_who_is_the_kernel_is_refused_before_anything_changes(folder):
    os.chown(folder, KERNEL, KERNEL)
    with pytest.raises(PermissionError, match="and so would the agent"):
        become_owner(folder, KERNEL)
    assert os.getuid() == 0
