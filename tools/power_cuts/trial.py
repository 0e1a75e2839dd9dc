"""One recorded life, and the states in which the power may go in it."""

import errno
import hashlib
import os
import pickle
import random
import shutil
from pathlib import Path

from . import disk
from .checks import Promises, Verdict
from .lives import GUEST, LIVES
from .stage import JUST_BOOTED_SECONDS, UP_SECONDS, HostWatch, Layout, Stage

MODES = ["ordered", "writeback"]


class Count:
    """What was tried."""

    KEYS = ("logs", "states", "distinct", "unmountable", "torn", "violations")

    def __init__(self):
        self.logs = self.states = self.distinct = self.unmountable = self.torn = self.violations = 0
        self.found = []

    def table(self):
        return {key: getattr(self, key) for key in self.KEYS}


class Recording:
    """A life on a logged disk: the disk before it, its requests, and what was promised when."""

    def __init__(self, image, entries, notes):
        self.image, self.entries, self.notes = image, entries, notes


class Trial:
    """A life of one kind on one kind of file system, in a folder of its own."""

    def __init__(self, folder, programs, name, mode, seed, before=()):
        self.programs, self.name, self.mode, self.before = programs, name, f"data={mode}", before
        self.life = (LIVES | {"guest": GUEST})[name]
        self.seed, self.generator = seed, random.Random(f"{name}/{mode}/{seed}")
        self.layout = Layout(folder, self.life.settings, self.life.partitions)
        self.layout.furnish(self.life.host)
        self.count, self.verified = Count(), set()

    def record(self):
        """Play the life."""
        image = self.layout.empty()
        stage = Stage(self.layout, self.programs, image, self.mode, self.before)
        try:
            self.life.play(stage, self.generator)
        finally:
            entries = stage.close()
        self.count.logs += 1
        return Recording(image, entries, stage.notes)

    def try_states(self, recording, states):
        """Cut it at random points."""
        rebuilder = disk.Rebuilder(recording.image, recording.entries)
        positions = sorted(self.generator.randrange(len(recording.entries) + 1) for _ in range(states))
        for position in positions:
            self.try_state(rebuilder.image(position, self.generator), recording.notes, position)

    def record_recovery(self, recording):
        """Cut it once, and record what the next start does."""
        position = self.generator.randrange(len(recording.entries) + 1)
        image = disk.Rebuilder(recording.image, recording.entries).image(position, self.generator)
        promises = Promises(recording.notes, position)
        before = [(0, kind, fields) for at, kind, fields in recording.notes if at <= position and kind != "host"]
        before.append((0, "killed", {}))
        self.layout.set_host(promises.hosts)
        self.layout.booted(JUST_BOOTED_SECONDS)
        try:
            stage = Stage(self.layout, self.programs, image, self.mode)
        except OSError:
            return None
        stage.known = dict(promises.seen)
        try:
            if self.life.host and promises.hosts:
                stage.watch = HostWatch(stage)
            stage.recover()
        finally:
            entries = stage.close()
        self.layout.booted(UP_SECONDS)
        self.layout.set_host([self.layout.pristine])
        self.count.logs += 1
        return Recording(image, entries, before + stage.notes)

    def try_state(self, image, notes, position):
        """Let the machine boot from this disk, and look at what comes of it."""
        promises = Promises(notes, position)
        path = self.layout.folder / "disk"
        image.write(path, self.layout.size)
        self.layout.set_host(promises.hosts)
        self.layout.booted(JUST_BOOTED_SECONDS)
        try:
            self.layout.attach(path, self.mode)
        except OSError as error:
            if error.errno not in (errno.EBADMSG, errno.EUCLEAN):
                raise
            # A torn superblock: the file system's own affair.
            self.count.unmountable += 1
            return path.unlink()
        self.count.states += 1
        try:
            known = sum(at <= position for at, _, _ in notes)
            state = (known, repr(promises.hosts and hash(repr(promises.hosts))), self.tree())
            if state in self.verified:
                return
            self.verified.add(state)
            self.count.distinct += 1
            verdict = Verdict(self.life, self.layout, self.programs, promises)
            wrong = verdict.check()
            self.count.torn += verdict.torn
            if wrong:
                self.count.violations += 1
                log = verdict.log.read_text(errors="replace")
                self.count.found.append({"wrong": wrong, "log": log, "image": image.blocks, "notes": notes, "position": position})
        finally:
            self.layout.detach()
            path.unlink()
            self.layout.set_host([self.layout.pristine] if self.layout.pristine else [])

    def tree(self):
        """A digest of everything on the disk that a recovery may depend on: two states with the same files are one."""
        digest = hashlib.blake2b()
        for top in {self.layout.mount, self.layout.outbox}:
            for folder, folders, names in os.walk(top):
                folders.sort()
                digest.update(folder.encode())
                for name in sorted(names):
                    if name not in ("status.json", "lock"):
                        content = (Path(folder) / name).read_bytes()
                        digest.update(b"%s\0%d\0" % (os.fsencode(name), len(content)) + content)
        return digest.digest()


def run(task):
    """One life, its states and those of some recoveries; for a process that does one after another."""
    folder, programs, name, mode, seed, states, recoveries, before = task
    place = Path(folder) / f"worker-{os.getpid()}"
    if not place.exists():
        place.mkdir()
        disk.own_mounts()
        disk.tmpfs(place)
    inner = place / "life"
    inner.mkdir()
    try:
        trial = Trial(inner, programs, name, mode, seed, before)
        recording = trial.record()
        share = states // (recoveries + 1)
        trial.try_states(recording, states - share * recoveries)
        for _ in range(recoveries):
            again = trial.record_recovery(recording)
            if again:
                trial.try_states(again, share)
        return name, mode, seed, trial.count
    finally:
        shutil.rmtree(inner, ignore_errors=True)


def keep(found, folder, title):
    """Keep what was found, for `--replay`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{title}.pickle"
    path.write_bytes(pickle.dumps(found))
    return path
