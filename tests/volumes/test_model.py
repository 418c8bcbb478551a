"""Two writers, a reader, garbage collection without any grace, and crashes at every operation, against a plain model.

What holds: every commit that is in the log is read as it was written; a commit is in the head whole or not at all;
what one writer changed no other writer's commit undoes; where both changed a file both contents are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from obstore.store import MemoryStore
from soaking import share

from farcell.volumes import (
    Blobs,
    BucketStore,
    Collector,
    Head,
    Note,
    OwnerKeys,
    Tree,
    Upload,
    Volume,
    check,
    errors,
)

from .conftest import SECRET
from .faulty_store import Crash, FaultyStore, Plan
from .small_trees import edits_to, files_in

KEYS = OwnerKeys.derive(SECRET)
Model = dict[bytes, bytes]
NOTE = Note("somebody")
WRITERS = st.sampled_from([0, 1])
CRASHES = st.none() | st.tuples(st.integers(1, 40), st.booleans())


@dataclass
class Writer:
    """One process with a working copy; `begun` is a commit whose files are uploaded and whose head is not moved."""

    blobs: Blobs
    plan: Plan
    base: Head
    base_files: Model
    work: Model = field(default_factory=dict)
    begun: tuple[Upload, Tree, Model] | None = None

    def drop(self) -> None:
        if self.begun is not None:
            self.begun[0].close()
            self.begun = None


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryStore()
        self.commits: dict[int, Model] = {}
        """By number: what the log has to have."""
        self.writers: list[Writer] = []

    @initialize()
    def begin_volume(self) -> None:
        volume = Volume.create(self.fresh(), "v", NOTE)
        self.commits[1] = {}
        self.writers = [self.process(volume.head(), {}) for _ in range(2)]

    @rule(one=WRITERS, name=st.sampled_from([b"a", b"b", b"c"]), data=st.binary(max_size=3) | st.none())
    def change(self, one: int, name: bytes, data: bytes | None) -> None:
        work = self.writers[one].work
        if data is None:
            work.pop(name, None)
        else:
            work[name] = data * 50

    @rule(one=WRITERS, crash=CRASHES)
    def upload(self, one: int, crash: tuple[int, bool] | None) -> None:
        writer = self.writers[one]
        writer.drop()
        with self.dying(writer, crash):
            upload = Upload(writer.blobs, target_bytes=200)
            try:
                base = Volume(writer.blobs, "v").tree(writer.base.commit)
                tree = base.update(upload, edits_to(upload, writer.base_files, writer.work))
                upload.flush()
            except (errors.Damaged, errors.NoSuchCommit):  # its base is gone; it begins anew from the head
                upload.close()
                self.reload(writer)
            except Crash:
                upload.close()
                raise
            else:
                writer.begun = upload, tree, dict(writer.work)

    @precondition(lambda self: any(writer.begun for writer in self.writers))
    @rule(one=WRITERS, crash=CRASHES, collect=st.booleans())
    def commit(self, one: int, *, crash: tuple[int, bool] | None, collect: bool) -> None:
        writer = self.writers[one]
        if writer.begun is None:
            return
        upload, tree, work = writer.begun
        head, files = self.head()
        if collect:
            writer.plan.before_move = self.collecting(writer)
        try:
            with self.dying(writer, crash):
                conflicts = Volume(writer.blobs, "v").commit(upload, writer.base, tree, NOTE).conflicts
                self.learn(head, files, writer.base_files, work)
                assert len(conflicts) <= len(work | writer.base_files)
        except errors.Collected:
            assert self.head()[0].number == head.number
        else:
            if writer.begun is None:  # it died; the commit is whole or not there
                self.learn(head, files, writer.base_files, work)
        self.reload(writer)

    @rule(crash=CRASHES)
    def collect(self, crash: tuple[int, bool] | None) -> None:
        plan = Plan(*crash) if crash else Plan()
        with suppress(Crash):
            Collector(self.fresh(plan), grace_s=-10).run()

    @rule(number=st.integers(1, 8))
    def thin(self, number: int) -> None:
        head = Volume(self.fresh(), "v").thin([number])
        if number != head.number:
            self.commits.pop(number, None)

    @invariant()
    def the_log_has_every_commit_as_it_was_written(self) -> None:
        if self.commits:
            blobs = self.fresh()
            volume = Volume(blobs, "v")
            found = {one.number: files_in(blobs, volume.tree(one.entry.commit)) for one in volume.log()}
            assert found == self.commits

    def teardown(self) -> None:
        for writer in self.writers:
            writer.drop()
        if self.commits:
            report = check(self.fresh())
            assert report.is_whole, report

    def fresh(self, plan: Plan | None = None) -> Blobs:
        return Blobs.open(FaultyStore(BucketStore(self.memory), plan or Plan()), KEYS)

    def process(self, base: Head, files: Model) -> Writer:
        plan = Plan()
        return Writer(self.fresh(plan), plan, base, files, dict(files))

    def head(self) -> tuple[Head, Model]:
        blobs = self.fresh()
        head = Volume(blobs, "v").head()
        return head, files_in(blobs, Volume(blobs, "v").tree(head.commit))  # type: ignore[return-value]

    def reload(self, writer: Writer) -> None:
        writer.drop()
        writer.blobs.refresh()
        writer.base, writer.base_files = self.head()
        writer.work = dict(writer.base_files)

    def collecting(self, writer: Writer) -> Callable[[str], None]:
        """Two whole passes between what a commit has confirmed and its move."""

        def collect(key: str) -> None:
            writer.plan.before_move = lambda _: None
            for _ in range(2):
                Collector(self.fresh(), grace_s=-10).run()

        return collect

    @contextmanager
    def dying(self, writer: Writer, crash: tuple[int, bool] | None) -> Iterator[None]:
        plan = writer.plan
        plan.count = 0
        plan.crash_at, plan.after_it = crash or (None, False)
        try:
            yield
        except Crash:
            writer.drop()
            plan.crash_at = None
            writer.blobs = self.fresh(plan)
        finally:
            plan.crash_at = None
            plan.before_move = lambda _: None

    def learn(self, before: Head, old: Model, base: Model, work: Model) -> None:
        """The head is what it was, or one commit further and holds what both sides changed."""
        head, files = self.head()
        if head.number == before.number:
            assert files == old
            return
        assert head.number == before.number + 1
        assert files in (expected(base, old, work, files), expected({}, old, work, files))
        self.commits[head.number] = files


def expected(base: Model, head: Model, work: Model, found: Model) -> Model:
    """The merge as design.md says it; names of conflicts are taken from what was found."""
    merged = dict(head)
    for name in base.keys() | work.keys():
        ours, theirs, common = work.get(name), head.get(name), base.get(name)
        if ours in (common, theirs):
            continue
        if theirs == common or (theirs is None and ours is not None):
            merged.pop(name, None)
            if ours is not None:
                merged[name] = ours
        elif ours is not None:
            (kept_as,) = [
                one for one in found.keys() - head.keys() if one.startswith(name + b".conflict-")
            ] or [b"?"]
            merged[kept_as] = ours
    return merged


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_histories():
    run(examples=40, steps=25)


@pytest.mark.soak("volumes, by histories", seeds=share(3_000))
def test_many_histories():
    run(examples=share(3_000), steps=60)
