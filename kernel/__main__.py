"""``python -m farcell.kernel -f CONNECTION_FILE --gpu H100``: the Farcell kernel, as a front end starts it."""

from .far_kernel.application import FarcellKernelApp

FarcellKernelApp.launch_instance()
