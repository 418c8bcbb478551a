"""What lies where in a container, and whose it is: what the spawner mounts and an image is finished with.

::

    /farcell/lease      the lease's folder: token, settings, journal, log (the agent's alone)
    /farcell/gateway    the socket on which the gateway hears agents
    /farcell/egress     the socket of the gateway's proxy, where something may be reached
    /farcell/agent      the agent's own environment, read-only
    /farcell/run        sockets between agent and kernel, in memory
    /cache              what the owner's containers share
    /home/farcell       the kernel's home, its working folder `work` in it
    /opt/farcell-env    the kernel's environment
"""

from __future__ import annotations

KERNEL_USER = "farcell"
KERNEL_UID = 10001
"""The ordinary user that a kernel is, in every image; its group has the same number."""
HOME = "/home/farcell"
WORK = f"{HOME}/work"
ENVIRONMENT = "/opt/farcell-env"
LEASE = "/farcell/lease"
GATEWAY = "/farcell/gateway"
EGRESS = "/farcell/egress"
AGENT = "/farcell/agent"
RUN = "/farcell/run"
CACHE = "/cache"
