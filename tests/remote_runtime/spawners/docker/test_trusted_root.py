"""Whose programs the root of a container may run on a kernel's behalf."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.api import Image
from farcell.remote_runtime.api.image import Step, StepKind
from farcell.remote_runtime.spawners.docker.lease import trusts_its_root

PIP, APT = Step(StepKind.PIP, ("numpy",)), Step(StepKind.APT, ("git",))
ENV, RUN = Step(StepKind.ENV, ("A=b",)), Step(StepKind.RUN, ("cp evil /usr/bin/apt-get",))
COPY = Step(StepKind.COPY, ("0" * 64, "/usr/bin"))


@pytest.mark.parametrize("image", [Image(), Image(python_version="3.12"), Image(steps=(PIP, APT, ENV))])
def test_root_runs_packages_where_all_programs_are_the_operators_or_signed(image: Image):
    assert trusts_its_root(image)


@pytest.mark.parametrize("image", [Image(base="evil"), Image(steps=(RUN,)), Image(steps=(PIP, COPY))])
def test_root_runs_nothing_where_a_user_could_have_put_a_program_in_its_place(image: Image):
    assert not trusts_its_root(image)
