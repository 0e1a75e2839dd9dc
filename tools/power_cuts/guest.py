"""A virtual machine whose power is cut: qemu, and a disk that forgets what was not flushed.

The disk is `nbdkit --filter=cache file IMAGE cache=writeback`: killed, it loses exactly what was not flushed. The machine has a
kernel of Debian's, and a root in memory with busybox and the daemon. It says on its serial line what it promised; the host
kills both programs at a random moment, perhaps lets it boot and kills it again, and then looks at the disk as after any cut.
"""

import base64
import json
import os
import random
import re
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from . import disk
from .stage import job, model, only_waits
from .trial import Trial

PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "nbdkit": "nbdkit", "busybox": "busybox-static", "apt-get": "apt", "dpkg": "dpkg"}
KERNEL_META = "linux-image-cloud-amd64"

# In this order. Not NVMe, which Debian's kernel has built in: qemu 7.2 does not obey its forced unit access (FUA), and ext4
# relies on that for the commits of its journal.
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"]

BOOT_SECONDS = 240
# An emulated machine takes about as long for everything that happens in it.
LIFE_SECONDS = 20

# What happens in the machine; `{mode}` and `{again}` are put in. Names and contents are those of the lives `scp` and `synced`.
INIT = r"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /run/lock /m /etc /var/lib
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev 2>/dev/null
for module in {modules}; do insmod /modules/$module.ko; done
mount -t ext4 -o data={mode} /dev/vda /m || {{ echo UNMOUNTABLE; poweroff -f; }}
exec 2>/dev/null
say() {{ echo "NOTE $*"; }}
look() {{
    while :; do
        status=$(tr -s ' \n' ' ' </m/state/status.json)
        for file in /m/spool/journal/*.jsonl; do
            [ -e "$file" ] && [ ! -e "/tmp/${{file##*/}}" ] && line=$(grep bound "$file") && : >"/tmp/${{file##*/}}" && echo "JOURNAL ${{file##*/}} $line"
        done
        [ "$status" = "$before" ] || echo "STATUS $status"
        before=$status
        for file in /m/outbox/*.json.gz; do
            name=${{file##*/}}
            [ -e "$file" ] && [ ! -e "/tmp/$name" ] && content=$(base64 -w 0 "$file") && : >"/tmp/$name" && echo "SEEN $name $content"
        done
        usleep 30000
    done
}}
put() {{ say begun "$1"; cat "/content/$2" >"/m/inbox/$1"; [ -z "$3" ] || {{ sync "/m/inbox/$1" && sync /m/inbox && say durable "$1"; }}; }}
say ready
/bin/backbone-daemon serve --config /config.yaml </dev/null >/dev/null 2>&1 &
look &
{life}
wait
"""

LIFE = """
put one.sim one.sim sync; put first.yaml first.yaml sync
put net.sim fast.sim; put early.yaml early.yaml; put waits.yaml waits.yaml
while ! grep -q bound /m/spool/journal/*; do usleep 20000; done
{pause}put net.sim slow.sim; put later.yaml later.yaml; put late.sim late.sim
put second.yaml first.yaml sync
"""

CONTENT = {
    "one.sim": model(100, 3),
    "first.yaml": job("one.sim"),
    "fast.sim": model(100, 3),
    "slow.sim": model(2500, 3),
    "late.sim": model(101, 3),
    "early.yaml": job("net.sim", 2),
    "waits.yaml": job("late.sim"),
    "later.yaml": job("net.sim"),
}
# What is uploaded under a name, in order.
UPLOADS = {"net.sim": ["fast.sim", "slow.sim"], "second.yaml": ["first.yaml"]}

SETTINGS = "inbox: /m/inbox\noutbox: /m/outbox\nspool: /m/spool\nstate: /m/state\nsettle_seconds: 0\nrescan_seconds: 3600\nsandbox: off\n"


def lacks():
    """What the virtual machine needs and is missing."""
    for program, package in PACKAGES.items():
        if not shutil.which(program):
            return f"{program} is missing (Debian package {package})"
    return None


def kernel(folder):
    """Debian's kernel, which is fetched once."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob("boot/vmlinuz-*"))
    if not found:
        depends = subprocess.run(["apt-cache", "depends", KERNEL_META], check=True, capture_output=True, text=True).stdout
        package = re.search(r"Depends: (linux-image-\S+)", depends).group(1)
        subprocess.run(["apt-get", "download", package], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        subprocess.run(["dpkg", "-x", next(folder.glob("*.deb")), folder], check=True)
        found = sorted(folder.glob("boot/vmlinuz-*"))
    return found[-1]


def initramfs(path, vmlinuz, programs, init):
    """A root in memory: an archive in cpio's format newc."""
    files = {"init": (init.encode(), 0o755), "config.yaml": (SETTINGS.encode(), 0o644)}
    files["bin/busybox"] = Path(shutil.which("busybox")).read_bytes(), 0o755
    for program in (programs.backbone, programs.daemon):
        files[f"bin/{program.name}"] = program.read_bytes(), 0o755
        listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            files[library.lstrip("/")] = Path(library).resolve().read_bytes(), 0o755
    modules = vmlinuz.parents[1] / "lib/modules"
    files |= {f"modules/{name}.ko": (next(modules.rglob(f"{name}.ko")).read_bytes(), 0o644) for name in MODULES}
    files |= {f"content/{name}": (content, 0o644) for name, content in CONTENT.items()}
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    entries = [(name, b"", stat.S_IFDIR | 0o755) for name in sorted(folders)]
    entries += [(name, content, stat.S_IFREG | mode) for name, (content, mode) in files.items()]
    entries += [("dev", b"", stat.S_IFDIR | 0o755), ("TRAILER!!!", b"", 0)]
    with open(path, "wb") as archive:
        for number, (name, content, mode) in enumerate(entries):
            fields = [number + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
            archive.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
            archive.write(b"\0" * (-archive.tell() % 4) + content)
            archive.write(b"\0" * (-archive.tell() % 4))


class Machine:
    """A machine that boots from a disk image."""

    def __init__(self, folder, vmlinuz, archive, image):
        socket, self.console = folder / "nbd", folder / "console"
        socket.unlink(missing_ok=True)
        environment = os.environ | {"TMPDIR": str(folder)}
        server = ["nbdkit", "--foreground", "--unix", socket, "--filter=cache", "file", image, "cache=writeback"]
        self.nbdkit = subprocess.Popen(server, env=environment, stderr=subprocess.DEVNULL, preexec_fn=disk.dies_with_us)
        deadline = time.monotonic() + disk.PATIENCE_SECONDS
        while not socket.exists():
            if time.monotonic() > deadline or self.nbdkit.poll() is not None:
                raise disk.Unable("nbdkit does not start")
            time.sleep(0.01)
        command = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-kernel", vmlinuz, "-initrd", archive, "-append", "console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check random.trust_cpu=on"]
        command += ["-blockdev", f"driver=nbd,node-name=disk,server.type=unix,server.path={socket}"]
        command += ["-device", "virtio-blk-pci,drive=disk", "-serial", f"file:{self.console}"]
        self.console.write_bytes(b"")
        self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=disk.dies_with_us)

    def until_ready(self):
        """Wait until the machine's disk is mounted."""
        deadline = time.monotonic() + BOOT_SECONDS
        while b"NOTE ready" not in self.console.read_bytes():
            if self.qemu.poll() is not None or time.monotonic() > deadline:
                text = self.console.read_bytes()
                self.cut()
                if b"UNMOUNTABLE" in text:
                    return False
                raise disk.Unable(f"the machine does not boot: {text[-600:]!r}")
            time.sleep(0.02)
        return True

    def is_idle(self):
        """Whether everything that can be done is done."""
        status = last_status(self.console.read_bytes())
        quiet = status and not (status["running"] or status["queued"] or status["unpublished"])
        return bool(quiet and (only_waits(status) or status["finished"]["measured"]))

    def cut(self):
        """The power goes. Everything that the machine said until then."""
        # The machine first: it must not see errors of its disk, and promise something after them.
        for process in (self.qemu, self.nbdkit):
            process.kill()
            process.wait()
        return self.console.read_bytes()


def last_status(text):
    lines = [line for line in text.split(b"\n")[:-1] if line.startswith(b"STATUS ")]
    try:
        return json.loads(lines[-1][7:]) if lines else None
    except ValueError:
        return None


def notes_of(text, known):
    """What a machine said, as notes, in the order in which it was said."""
    notes, bound = [], {}
    for line in text.replace(b"\r", b"").split(b"\n")[:-1]:
        words = line.decode(errors="replace").split(" ", 2)
        try:
            if words[:2] == ["NOTE", "begun"]:
                uploads = UPLOADS.get(words[2], [words[2]])
                count = known.get(words[2], 0)
                known[words[2]] = count + 1
                notes.append((0, "begun", {"name": words[2], "content": CONTENT[uploads[min(count, len(uploads) - 1)]]}))
            elif words[:2] == ["NOTE", "durable"]:
                content = [fields["content"] for _, kind, fields in notes if kind == "begun" and fields["name"] == words[2]][-1]
                notes.append((0, "durable", {"name": words[2], "content": content}))
            elif words[0] == "JOURNAL":
                record = json.loads(words[2])
                bound[words[1].removesuffix(".jsonl")] = [one["sha256"] for one in record["models"]]
            elif words[0] == "SEEN":
                notes.append((0, "seen", {"name": words[1], "content": base64.b64decode(words[2])}))
            elif words[0] == "STATUS":
                notes += of_status(json.loads(line[7:]), bound)
        except (ValueError, KeyError, IndexError):
            # A line that was not written to its end.
            continue
    return notes


def of_status(status, bound):
    """A status shows which jobs are taken, and which have their files; journals that were printed before say which files."""
    running = [status["running"]] if status.get("running") else []
    waiting = status.get("waiting", [])
    notes = [(0, "claimed", {"job": one["job"]}) for one in status["next"] + waiting + running]
    waits = {one["id"] for one in waiting}
    for one in status["next"] + running:
        if one["id"] in bound and one["id"] not in waits:
            notes.append((0, "bound", {"job": one["job"], "id": one["id"], "digests": bound[one["id"]]}))
    return notes


def cuts(count, programs, folder, kept, seed, report):
    """Cut the power of machines so often; the number of violations."""
    vmlinuz, made, wrong = kernel(kept), 0, 0
    generator = random.Random(f"guest/{seed}")
    disk.own_mounts()
    disk.tmpfs(folder)
    print(f"virtual machines: {vmlinuz.name}", flush=True)
    number = 0
    while made < count:
        mode = generator.choice(["ordered", "writeback"])
        number += 1
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            trial = Trial(Path(inner) / "life", programs, "guest", mode, f"{seed}-{number}")
            image, notes, known = Path(inner) / "image", [], {}
            trial.layout.empty().write(image, trial.layout.size)
            boots = generator.choice([1, 2, 2, 3])
            for boot in range(boots):
                life = LIFE.format(pause="" if generator.random() < 0.5 else "usleep 200000; ") if boot == 0 else ""
                init = INIT.format(mode=mode, life=life, modules=" ".join(MODULES))
                initramfs(Path(inner) / "archive", vmlinuz, programs, init)
                machine = Machine(Path(inner), vmlinuz, Path(inner) / "archive", image)
                if machine.until_ready():
                    wait(machine, generator)
                    notes += notes_of(machine.cut(), known)
                    made += 1
            trial.try_state(disk.Image.read(image), notes, 0)
            wrong += trial.count.violations
            report("guest", mode, f"{seed}-{number}", trial.count, made)
    disk.system("umount2", bytes(folder), disk.MNT_DETACH)
    return wrong


def wait(machine, generator):
    """Until a random moment, or until nothing happens any more."""
    began, span = time.monotonic(), generator.uniform(0, LIFE_SECONDS)
    while time.monotonic() - began < span and not machine.is_idle():
        time.sleep(0.01)
