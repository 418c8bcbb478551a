"""Runs the proof where there is a real NVIDIA device; a machine without one has nothing to prove, under CI too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from farcell.remote_runtime.spawners.nvml import Availability, Nvml

PROOF = Path(__file__).with_name("prove.py")


@pytest.fixture
def availability():
    nvml = Nvml()
    yield nvml.availability()
    nvml.close()


def test_every_fact_holds_on_a_real_device(availability):
    if availability is not Availability.AVAILABLE:
        pytest.skip(availability.value)
    pytest.importorskip("torch", reason="the proof computes with torch")
    proof = subprocess.run([sys.executable, PROOF], stdout=subprocess.PIPE, text=True, check=False)
    assert proof.returncode == 0, proof.stdout


def test_without_a_device_the_proof_says_so(availability):
    if availability is Availability.AVAILABLE:
        pytest.skip("there is a device here")
    proof = subprocess.run([sys.executable, PROOF], stdout=subprocess.PIPE, text=True, check=True)
    assert proof.stdout.strip() == f"skipped: {availability.value}"
