"""Disks whose writes and flushes are logged, and the disks that a power cut may leave of them.

`qemu-storage-daemon` exports an image through FUSE and logs every request below the file system (driver blklogwrites: a
header of one sector; then for each request sector, count, flags and length, and its data). A disk may forget, at any moment,
any part of what was written since its last flush, sector by sector, and nothing else.
"""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

SECTOR, BLOCK = 512, 4096
ZEROS = bytes(BLOCK)
FLUSH, FUA, DISCARD = 1, 2, 4

# The smallest journal of ext4 has 1024 blocks; the rest is more than a life needs.
IMAGE_BYTES = 20 << 20
JOURNAL_MEGABYTES = 4
LOG_BYTES = 1 << 30

# linux/loop.h
LOOP_SET_FD, LOOP_CLR_FD, LOOP_CONFIGURE, LOOP_CTL_GET_FREE = 0x4C00, 0x4C01, 0x4C0A, 0x4C82
LO_FLAGS_AUTOCLEAR = 4
LOOP_CONFIG = struct.Struct("=II" + "QQQQQ" + "IIII" + "64s64s32s" + "QQ" + "8Q")

MS_NOATIME, MS_NODIRATIME, MS_REC, MS_PRIVATE = 1024, 2048, 16384, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS = 0x20000
PR_SET_PDEATHSIG = 1

# Longer than anything here takes on a busy machine.
PATIENCE_SECONDS = 180

libc = ctypes.CDLL(None, use_errno=True)


class Unable(Exception):
    """This machine cannot do it."""


def system(call, *arguments):
    """A call of the C library that fails with -1."""
    if getattr(libc, call)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def own_mounts():
    """From now on, what this process mounts is seen by nobody else and goes with it."""
    system("unshare", CLONE_NEWNS)
    system("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)


def dies_with_us():
    """For a child, between fork and exec."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tmpfs(folder):
    system("mount", b"none", bytes(folder), b"tmpfs", ctypes.c_ulong(0), None)


def mount(image, folder, options, offset=0, size=0):
    """Mount an ext4 through a loop device that goes with the mount."""
    device, opened = attach(image, offset, size)
    try:
        system("mount", device.encode(), bytes(folder), b"ext4", ctypes.c_ulong(MS_NOATIME), options.encode())
    finally:
        os.close(opened)


def attach(image, offset, size):
    """A free loop device, and its descriptor, which keeps it."""
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    config = LOOP_CONFIG.pack(
        backing, SECTOR, 0, 0, 0, offset, size, 0, 0, 0, LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0, *[0] * 8
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            opened = -1
            try:
                opened = os.open(device, os.O_RDWR | os.O_CLOEXEC)
                fcntl.ioctl(opened, LOOP_CONFIGURE, config)
                return device, opened
            except OSError as error:
                # Another process took it, or it goes away at this moment.
                if opened >= 0:
                    os.close(opened)
                if time.monotonic() > deadline:
                    raise Unable(f"no free loop device: {error}") from error
                time.sleep(0.01)
    finally:
        os.close(backing)
        os.close(control)


def unmount(folder):
    """Unmount, as soon as nothing uses it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return system("umount2", bytes(folder), 0)
        except OSError:
            if time.monotonic() > deadline:
                system("umount2", bytes(folder), MNT_DETACH)
                raise
            time.sleep(0.005)


def format_image(path, size=IMAGE_BYTES):
    """An empty ext4."""
    with open(path, "wb") as file:
        file.truncate(size)
    make = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-J", f"size={JOURNAL_MEGABYTES}", "-N", "1024"]
    make += ["-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", str(path)]
    subprocess.run(make, check=True, capture_output=True)


class Entry:
    """One request of the log."""

    __slots__ = ("offset", "data", "flags")

    def __init__(self, offset, data, flags):
        self.offset, self.data, self.flags = offset, data, flags

    def is_flush(self):
        return bool(self.flags & (FLUSH | FUA))


def position_of(log):
    """Number of requests that a log file has."""
    magic, _, entries = struct.unpack("<QQQ", os.pread(log, 24, 0))
    return entries if magic else 0


def entries_of(log):
    """All requests of a log file, in order."""
    entries, at = [], SECTOR
    for _ in range(position_of(log)):
        sector, count, flags, _ = struct.unpack("<QQQQ", os.pread(log, 32, at))
        at += SECTOR
        data = b""
        if not flags & DISCARD:
            data = os.pread(log, count * SECTOR, at)
            at += count * SECTOR
        elif count:
            data = None
        entries.append(Entry(sector * SECTOR, data, flags))
    return entries


class Recorder:
    """An image that is exported, and whose requests are logged."""

    def __init__(self, folder, image):
        self.folder = Path(folder)
        log, self.exported = self.folder / "log", self.folder / "exported"
        with open(log, "wb") as file:
            file.truncate(LOG_BYTES)
        self.exported.touch()
        before = self.exported.stat().st_dev
        command = ["qemu-storage-daemon"]
        for node, file in (("image", image), ("log", log)):
            command += ["--blockdev", f"driver=file,node-name={node},filename={file},cache.no-flush=on"]
        command += ["--blockdev", "driver=blklogwrites,node-name=disk,file=image,log=log,log-sector-size=512,log-super-update-interval=1"]
        command += ["--export", f"type=fuse,id=export,node-name=disk,mountpoint={self.exported},writable=on"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=dies_with_us)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.exported.stat().st_dev == before:
            if self.process.poll() is not None:
                raise Unable(f"qemu-storage-daemon: {self.process.stderr.read().decode().strip()}")
            if time.monotonic() > deadline:
                raise Unable("qemu-storage-daemon exports nothing")
            time.sleep(0.005)
        self.log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)

    def position(self):
        """How many requests there were."""
        return position_of(self.log)

    def close(self):
        """End; every request that there was."""
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        entries = entries_of(self.log)
        os.close(self.log)
        (self.folder / "log").unlink()
        self.exported.unlink()
        return entries


class Image:
    """What a disk has: its blocks that are not zero."""

    def __init__(self, blocks=None):
        self.blocks = blocks or {}

    @classmethod
    def read(cls, path):
        """Of a file."""
        blocks = {}
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = 0
            while at < size:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                for offset in range(at - at % BLOCK, end, BLOCK):
                    data = os.pread(file.fileno(), BLOCK, offset)
                    if data != ZEROS:
                        blocks[offset] = data
                at = end
        return cls(blocks)

    def copy(self):
        """Another one with the same content."""
        return Image(dict(self.blocks))

    def put(self, entry, sectors=None):
        """Write an entry, or only some of its sectors."""
        data = entry.data
        if not data:
            return
        if sectors is None and not entry.offset % BLOCK and not len(data) % BLOCK:
            for at in range(0, len(data), BLOCK):
                self.blocks[entry.offset + at] = data[at : at + BLOCK]
            return
        for sector in range(len(data) // SECTOR) if sectors is None else sectors:
            at = entry.offset + sector * SECTOR
            start = at - at % BLOCK
            block = bytearray(self.blocks.get(start, ZEROS))
            block[at - start : at - start + SECTOR] = data[sector * SECTOR : (sector + 1) * SECTOR]
            self.blocks[start] = bytes(block)

    def write(self, path, size):
        """Into a file."""
        with open(path, "wb", buffering=0) as file:
            file.truncate(size)
            run, end = [], -1
            for offset in sorted(self.blocks):
                if offset != end and run:
                    os.pwritev(file.fileno(), run, end - BLOCK * len(run))
                    run = []
                run.append(self.blocks[offset])
                end = offset + BLOCK
                if len(run) == 256:
                    os.pwritev(file.fileno(), run, end - BLOCK * len(run))
                    run = []
            if run:
                os.pwritev(file.fileno(), run, end - BLOCK * len(run))


class Rebuilder:
    """Makes the disks of cuts, whose positions must not go down."""

    def __init__(self, image, entries):
        self.durable, self.entries, self.done = image.copy(), entries, 0

    def image(self, position, generator):
        """The disk after a cut at this position: everything before the last flush, and some of what came after."""
        flushed = self.done
        for index in range(self.done, position):
            if self.entries[index].is_flush():
                flushed = index + 1
        for entry in self.entries[self.done : flushed]:
            self.durable.put(entry)
        self.done = flushed
        pending = [entry for entry in self.entries[flushed:position] if entry.data]
        image = self.durable.copy()
        for entry, sectors in survivors(pending, generator):
            image.put(entry, sectors)
        return image


def survivors(pending, generator):
    """Which of the writes after the last flush the disk keeps: none, all, the first ones, all but one, or any; and of a write
    of several sectors perhaps only some."""
    way = generator.randrange(6)
    if way == 0:
        return []
    chosen = list(pending)
    if way == 2:
        chosen = pending[: generator.randrange(len(pending) + 1)]
    elif way == 3 and pending:
        chosen.pop(generator.randrange(len(pending)))
    elif way >= 4:
        share = generator.random()
        chosen = [entry for entry in pending if generator.random() < share]
    torn = generator.random() < 0.3
    result = []
    for entry in chosen:
        count = len(entry.data) // SECTOR
        sectors = None
        if torn and count > 1 and generator.random() < 0.3:
            sectors = [sector for sector in range(count) if generator.random() < 0.5]
        result.append((entry, sectors))
    return result
