"""A machine on a logged disk: the real daemon, people who upload and collect, and notes of what they were promised.

A note has the position in the disk's log at which the promise was seen to hold, read after it was seen: whatever the disk
loses in a cut from there on, the promise must be kept.
"""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from . import disk

FOLDERS = ["inbox", "spool", "state", "power"]

# A daemon that starts sooner after the boot was started by it.
UP_SECONDS, JUST_BOOTED_SECONDS = 100_000, 5

# The tag of a spool, and so every name in it, is known beforehand.
IDENTITY = "cuts 1\n"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def model(microseconds, blocks=1):
    """A model of the runtime `sim`; one of several blocks is no model if any of them is missing."""
    head = b'{"latency_us": [%d]' % microseconds
    return head + b" " * max(0, blocks * disk.BLOCK - disk.BLOCK // 2 - len(head)) + b"}"


def job(model_name, processes=1, more=""):
    text = f"backbone: 1\nmodel: {model_name}\nruntime: sim\n"
    return (text + f"measure: {{processes: {processes}, warm_up_runs: 0, timed_runs: 2}}\n{more}").encode()


class Stuck(Exception):
    """A life does not go on."""


class Layout:
    """Where everything of a machine is."""

    def __init__(self, folder, settings=None, partitions=1):
        self.folder = Path(folder)
        self.mount, self.outer = self.folder / "m", self.folder / "o"
        for place in (self.folder, self.mount, self.outer, self.folder / "host"):
            place.mkdir(exist_ok=True)
        self.partitions = partitions
        self.size = disk.IMAGE_BYTES * partitions
        self.outbox = self.outer / "outbox" if partitions > 1 else self.mount / "outbox"
        self.host, self.config, self.pristine = self.folder / "host", self.folder / "config.yaml", {}
        lines = {name: self.mount / name for name in ("inbox", "spool", "state")}
        lines |= {"outbox": self.outbox, "host_root": self.host, "settle_seconds": 0, "rescan_seconds": 3600, "sandbox": "off"}
        lines |= settings or {}
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))

    def furnish(self, host):
        """Make the host that the daemon sees, with the function `host`."""
        if host:
            host(self.host)
            self.pristine = host_files(self.host)
        (self.host / "proc").mkdir(exist_ok=True)
        self.booted(UP_SECONDS)

    def booted(self, seconds):
        """The host has been up for so long."""
        (self.host / "proc/uptime").write_text(f"{seconds}.00 {seconds}.00\n")

    def set_host(self, candidates):
        """Let the host's files say what they said at a moment between two looks: where either was as at first, that."""
        now = host_files(self.host)
        for name, text in candidates[-1].items() if candidates else []:
            first = self.pristine.get(name, text)
            if any(files.get(name) == first for files in candidates):
                text = first
            if now.get(name) != text:
                (self.host / name).write_bytes(text)

    def attach(self, image, options):
        """Mount the disk; with two partitions, the outbox is on the second one."""
        disk.mount(image, self.mount, options, 0, disk.IMAGE_BYTES)
        if self.partitions > 1:
            try:
                disk.mount(image, self.outer, options, disk.IMAGE_BYTES, disk.IMAGE_BYTES)
            except OSError:
                disk.unmount(self.mount)
                raise

    def detach(self):
        disk.unmount(self.mount)
        if self.partitions > 1:
            disk.unmount(self.outer)

    def empty(self):
        """A new disk with a spool's folders."""
        path = self.folder / "empty"
        disk.format_image(path)
        whole = disk.Image.read(path)
        for partition in range(1, self.partitions):
            for offset, block in list(whole.blocks.items()):
                if offset < disk.IMAGE_BYTES:
                    whole.blocks[partition * disk.IMAGE_BYTES + offset] = block
        whole.write(path, self.size)
        self.attach(path, "data=ordered")
        for name in FOLDERS:
            (self.mount / name).mkdir()
        self.outbox.mkdir()
        (self.mount / "spool/identity").write_text(IDENTITY)
        self.detach()
        image = disk.Image.read(path)
        path.unlink()
        return image


class Programs:
    """The executables."""

    def __init__(self, backbone):
        self.backbone = Path(backbone)
        self.daemon = self.backbone.with_name("backbone-daemon")

    def run(self, layout, arguments, before=()):
        """A command of `backbone`; what it printed, and its exit code."""
        command = [*before, self.backbone, *arguments, "--config", layout.config]
        ended = subprocess.run(command, capture_output=True, env=environment(), timeout=disk.PATIENCE_SECONDS)
        return ended.returncode, ended.stdout, ended.stderr

    def serve(self, layout, log, before=(), once=True):
        """Start the daemon."""
        command = [*before, self.daemon, "serve", *(["--once"] if once else []), "--config", layout.config]
        with open(log, "ab") as errors:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment(), preexec_fn=disk.dies_with_us
            )


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("BACKBONE_")} | {"BACKBONE_LOG": "info"}


def read_status(folder):
    """What the daemon says of itself, or nothing."""
    try:
        return json.loads((folder / "status.json").read_bytes())
    except (OSError, ValueError):
        return {}


def only_waits(status):
    """Whether it waits for people and does nothing else."""
    return status.get("waiting") and not (status["running"] or status["queued"] or status["unpublished"])


def bundles_in(folder):
    """Names of bundles."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json.gz") and not name.startswith("."))
    except FileNotFoundError:
        return []


def decode(content):
    """A bundle; fails if it is not whole."""
    return json.loads(gzip.decompress(content))


class Stage:
    """A machine that lives on a logged disk."""

    def __init__(self, layout, programs, image, mode, before=()):
        self.layout, self.programs, self.before = layout, programs, before
        self.notes, self.daemon, self.watch = [], None, None
        self.known, self.claimed, self.bound = {}, set(), set()
        path = layout.folder / "disk"
        image.write(path, layout.size)
        self.recorder = disk.Recorder(layout.folder, path)
        try:
            layout.attach(self.recorder.exported, mode)
        except OSError:
            self.recorder.close()
            raise
        self.log = layout.folder / "daemon.log"
        self.log.write_bytes(b"")

    def path(self, name):
        return self.layout.mount / name

    def note(self, kind, position=None, **fields):
        """Something that holds from now on."""
        self.notes.append((self.recorder.position() if position is None else position, kind, fields))

    # People.

    def upload(self, name, content, synced=True, by_rename=False):
        """Into the inbox, in place as scp does, or by a rename as sftp and rsync do."""
        self.note("begun", name=name, content=content)
        path = self.path("inbox") / name
        written = path.with_name(f".{name}.part") if by_rename else path
        with open(written, "wb") as file:
            file.write(content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        if by_rename:
            written.rename(path)
        if synced:
            self.sync_folder("inbox")
            self.note("durable", name=name, content=content)

    def sync_folder(self, name):
        folder = os.open(self.path(name), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def command(self, verb, *arguments):
        """A command of `backbone`, which says that it is done."""
        self.note("asked", verb=verb, job=arguments[0] if arguments else None)
        code, _, errors = self.programs.run(self.layout, [verb, *arguments], self.words_before())
        if code == 0:
            self.note("done", verb=verb, job=arguments[0] if arguments else None)
        return code, errors

    def collect(self, name):
        """Take a bundle away."""
        self.look()
        if name in self.known:
            self.note("removed", name=name)
            (self.layout.outbox / name).unlink(missing_ok=True)

    def words_before(self):
        """What programs are started with."""
        return [word.replace("{mount}", str(self.layout.mount)) for word in self.before]

    # The daemon.

    def start(self):
        """Start it, and wait until it has a status."""
        former = read_status(self.path("state")).get("process")
        self.daemon = self.programs.serve(self.layout, self.log, self.words_before(), once=False)
        self.until(lambda: read_status(self.path("state")).get("process") not in (None, former), "a status")

    def stop(self, number=signal.SIGTERM):
        """End it. Under strace, the daemon is another process, which its status names."""
        process = read_status(self.path("state")).get("process") if self.before else self.daemon.pid
        if self.daemon.poll() is None:
            os.kill(process or self.daemon.pid, number)
        self.daemon.wait()
        self.daemon = None

    def recover(self):
        """Start it after a cut, until it has done what it can."""
        self.daemon = self.programs.serve(self.layout, self.log)
        deadline = time.monotonic() + disk.PATIENCE_SECONDS
        while self.daemon.poll() is None and time.monotonic() < deadline:
            status = self.look()
            if status.get("process") == self.daemon.pid and only_waits(status):
                break
            time.sleep(0.002)

    def look(self):
        """See what the daemon says and publishes, and note it."""
        for name in bundles_in(self.layout.outbox):
            if name not in self.known:
                try:
                    content = (self.layout.outbox / name).read_bytes()
                except FileNotFoundError:
                    continue
                self.known[name] = content
                self.note("seen", name=name, content=content)
        status = read_status(self.path("state"))
        taken = [one["job"] for one in status.get("next", []) + status.get("waiting", [])]
        if status.get("running"):
            taken.append(status["running"]["job"])
        position = self.recorder.position()
        for name in taken:
            if name not in self.claimed:
                self.claimed.add(name)
                self.note("claimed", position, job=name)
        waiting = {one["id"] for one in status.get("waiting", [])}
        queued = status.get("next", []) + ([status["running"]] if status.get("running") else [])
        for one in queued:
            if one["id"] not in self.bound and one["id"] not in waiting:
                self.note_bound(one)
        return status

    def note_bound(self, queued):
        """The status shows a job that has its files: which ones, its journal says."""
        try:
            lines = (self.path("spool/journal") / f"{queued['id']}.jsonl").read_bytes().split(b"\n")
            records = [json.loads(line) for line in lines[:-1]]
        except (OSError, ValueError):
            return
        digests = [one["sha256"] for record in records if record["record"] == "bound" for one in record["models"]]
        if digests:
            self.bound.add(queued["id"])
            self.note("bound", job=queued["job"], id=queued["id"], digests=digests)

    def until(self, holds, what):
        """Look until something holds."""
        deadline = time.monotonic() + disk.PATIENCE_SECONDS
        while True:
            self.look()
            if holds():
                return
            if self.daemon and self.daemon.poll() is not None:
                raise Stuck(f"the daemon ended, waiting for {what}: {self.log.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise Stuck(f"waited in vain for {what}: {self.log.read_text()[-2000:]}")
            time.sleep(0.002)

    def until_bundles(self, count):
        self.until(lambda: len(self.known) >= count, f"{count} bundles")

    def until_taken(self, name):
        self.until(lambda: name in self.claimed or any(bundle.startswith(f"{name}.") for bundle in self.known), f"job {name}")

    def until_bound(self, name):
        found = lambda: any(kind == "bound" and fields["job"] == name for _, kind, fields in self.notes)
        self.until(lambda: found() or any(bundle.startswith(f"{name}.") for bundle in self.known), f"the files of {name}")

    def close(self):
        """End without a word, and give back the log."""
        if self.watch:
            self.watch.stop()
        if self.daemon:
            self.stop(signal.SIGKILL)
        self.look()
        self.layout.detach()
        entries = self.recorder.close()
        (self.layout.folder / "disk").unlink()
        self.notes.sort(key=lambda note: note[0])
        return entries


def host_files(root):
    """The files of a host that a change of its power state touches, and what they say. Not the clock of the memory, which is
    not ours while it is unlocked, and not the clocks of processors that are off."""
    found = {}
    for top in ("sys", "var/lib/nvpmodel"):
        for folder, folders, names in os.walk(root / top):
            folders[:] = [name for name in folders if not is_off(root, os.path.join(folder, name))]
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path) and not path.endswith("clk/emc/rate"):
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, root)] = file.read()
    return found


def is_off(root, folder):
    """Whether it is the folder of a cpufreq policy whose processors are all off."""
    try:
        related = Path(folder, "related_cpus").read_text().split()
    except OSError:
        return False
    return all((root / f"sys/devices/system/cpu/cpu{number}/online").read_text().strip() == "0" for number in related)


class HostWatch(threading.Thread):
    """Notes what a host's files say, while they change."""

    def __init__(self, stage):
        super().__init__(daemon=True)
        self.stage, self.ends, self.last = stage, False, host_files(stage.layout.host)
        stage.note("host", before=0, files=dict(self.last))
        self.start()

    def run(self):
        position = self.stage.recorder.position()
        while not self.ends:
            before = self.stage.recorder.position()
            files = host_files(self.stage.layout.host)
            if files != self.last:
                self.last = files
                self.stage.note("host", before=position, files=files)
            position = before
            time.sleep(0.002)

    def stop(self):
        self.ends = True
        self.join()
