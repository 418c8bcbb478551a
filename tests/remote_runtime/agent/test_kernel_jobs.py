"""Jobs inside the kernel; what they do to real ones is in ``tests/end_to_end``."""

from __future__ import annotations

from farcell.remote_runtime.agent import kernel_jobs
from farcell.remote_runtime.client import far_shells


def test_client_and_kernel_call_the_interrupt_of_a_job_the_same():
    assert far_shells.CANCEL_REQUEST == kernel_jobs.CANCEL_REQUEST
