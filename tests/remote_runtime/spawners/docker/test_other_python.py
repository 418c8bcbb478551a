"""A lease whose image has another Python than the agent that runs in it."""

import pytest
from docker_images import add_debian
from served_machine import ServedMachine

LOOK = """%%gpu H100
import os, sys, importlib.metadata
print(*sys.version_info[:2], sys.prefix, os.getuid(), os.getcwd(), importlib.metadata.version("cloudpickle") > "3")
"""
INSTALL = "%%gpu H100\n!uv pip install -q --offline /wheels/six-*.whl && pip list 2>/dev/null | grep -c six"


@pytest.mark.slow
def test_an_image_of_another_debian_runs_its_own_python(docker_engine):
    add_debian(docker_engine, "farcell-test-trixie", "trixie", "3.13")
    config = docker_engine.config(image="farcell-test-trixie:latest")
    with ServedMachine(config) as machine:
        notebook = machine.notebook()
        assert notebook.run(LOOK).stdout.split() == [
            *("3", "13", "/opt/farcell-env", "10001", "/home/farcell/work", "True")
        ]
        assert notebook.run(INSTALL).stdout.strip() == "1"
