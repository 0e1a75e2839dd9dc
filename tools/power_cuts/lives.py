"""What happens on a machine before the power goes: one function for each kind of life."""

import random
import shutil
import signal
import subprocess
from pathlib import Path

from .stage import HostWatch, job, model

REPOSITORY = Path(__file__).resolve().parents[2]
XAVIER = "agx-xavier-jetpack-4.3"

FAST, SLOW = 100, 2500


class Life:
    """A kind of life, and what its jobs must come to."""

    def __init__(self, play, jobs, settings=None, partitions=1, host=None, weight=1, share=1.0):
        self.play, self.jobs, self.settings, self.partitions = play, jobs, settings, partitions
        # How often it is played, and which part of the states of a log it takes: some recoveries are long.
        self.host, self.weight, self.share = host, weight, share


def expect(configurations=1, statuses=("measured",)):
    """Bundles of one run of a job."""
    return {"configurations": configurations, "statuses": set(statuses)}


def restart(stage, generator):
    """Sometimes the daemon is killed and started again."""
    if generator.random() < 0.3:
        number = generator.choice([signal.SIGKILL, signal.SIGTERM])
        stage.stop(number)
        if number == signal.SIGKILL:
            stage.note("killed")
        stage.start()


def synced(stage, generator):
    """Everything is durable before the daemon sees it, or soon after."""
    running = generator.random() < 0.7
    if running:
        stage.start()
    stage.upload("one.sim", model(FAST))
    stage.upload("first.yaml", job("one.sim", 2), by_rename=True)
    stage.upload("two.sim", model(SLOW, 3), by_rename=True)
    stage.upload("second.yaml", job("two.sim"))
    if not running:
        stage.start()
    stage.until_taken("second")
    restart(stage, generator)
    stage.upload("third.yaml", job("one.sim"))
    stage.until_bundles(3)


def scp(stage, generator):
    """Nothing is synced, and a model is overwritten while its jobs wait and run."""
    stage.start()
    by_rename = generator.random() < 0.5
    blocks = generator.choice([1, 3])
    stage.upload("net.sim", model(FAST, blocks), synced=False, by_rename=by_rename)
    stage.upload("early.yaml", job("net.sim", generator.choice([1, 3])), synced=False, by_rename=by_rename)
    stage.upload("waits.yaml", job("late.sim"), synced=False)
    stage.until_bound("early")
    if generator.random() < 0.5:
        stage.until_taken("waits")
    stage.upload("net.sim", model(SLOW, blocks), synced=False, by_rename=by_rename)
    stage.upload("later.yaml", job("net.sim"), synced=False)
    restart(stage, generator)
    stage.upload("late.sim", model(FAST + 1, blocks), synced=False)
    stage.until_bundles(3)


def together(stage, generator):
    """Many jobs at once, which share their syncs."""
    names = [f"job{number:02}" for number in range(10)]
    stage.upload("net.sim", model(FAST), synced=generator.random() < 0.5)
    for name in names:
        stage.upload(f"{name}.yaml", job("net.sim"), synced=False)
    stage.start()
    stage.until_bundles(generator.choice([3, 10]))
    restart(stage, generator)
    stage.until_bundles(10)


def requests(stage, generator):
    """Cancel, by a command and by a file, retry, pause and resume."""
    stage.start()
    stage.upload("net.sim", model(FAST))
    stage.upload("again.yaml", job("net.sim"))
    stage.until_bundles(1)
    stage.command("pause")
    for name in ("unwanted", "dropped", "kept"):
        stage.upload(f"{name}.yaml", job("net.sim"))
        stage.until_bound(name)
    stage.command("cancel", "unwanted")
    stage.upload("dropped.cancel", b"", synced=generator.random() < 0.5)
    stage.command("retry", "again")
    stage.until_bundles(3)
    restart(stage, generator)
    stage.command("resume")
    stage.until_bundles(5)


def retention(stage, generator):
    """Job files of finished jobs and models are removed when there are enough, or they are old."""
    stage.start()
    stage.upload("net.sim", model(FAST))
    stage.upload("first.yaml", job("net.sim"))
    stage.until_bundles(1)
    for number in range(64):
        stage.upload(f"bad{number:02}.yaml", b"backbone: 1\nmodle: x\n", synced=False)
    stage.until_bundles(64)
    stage.upload("other.sim", model(SLOW))
    stage.upload("last.yaml", job("other.sim"))
    stage.until_bundles(66)


def collector(stage, generator):
    """Bundles are taken away at any moment."""
    stage.start()
    stage.upload("net.sim", model(FAST), synced=False)
    for number in range(4):
        stage.upload(f"job{number}.yaml", job("net.sim"), synced=generator.random() < 0.5)
        stage.until_bundles(number + 1)
        for name in list(stage.known):
            if generator.random() < 0.6:
                stage.collect(name)
        if generator.random() < 0.3:
            stage.sync_folder("outbox")
    restart(stage, generator)


def other_outbox(stage, generator):
    """The outbox is on another file system."""
    stage.start()
    stage.upload("net.sim", model(FAST), synced=False)
    for name in ("one", "two", "three"):
        stage.upload(f"{name}.yaml", job("net.sim"), synced=generator.random() < 0.5)
    stage.until_bundles(2)
    stage.collect(next(iter(stage.known)))
    restart(stage, generator)
    stage.until_bundles(3)


STUDY = b"""backbone: 1
runtime: trtexec
study: {blocks: [depthwise-separable, spatially-separable], kernels: [3], batches: [1], inputs: [32], precisions: [int8]}
measure: {warm_up_runs: 1, timed_runs: 4, builds: 2}
"""


def study(stage, generator):
    """Networks are generated, engines are built, kept and used again."""
    stage.start()
    stage.upload("study.yaml", STUDY, synced=generator.random() < 0.5)
    stage.until_bundles(1)
    restart(stage, generator)
    stage.until_bundles(2)
    stage.upload("same.yaml", STUDY, synced=False)
    stage.until_bundles(4)


POWER = "host: {power_mode: MODE_30W_ALL, lock_clocks: true}\n"


def power(stage, generator):
    """A job changes the power state of its host."""
    stage.watch = HostWatch(stage)
    stage.start()
    stage.upload("net.sim", model(FAST))
    stage.upload("plain.yaml", job("net.sim"), synced=False)
    stage.upload("locked.yaml", job("net.sim", 2, POWER), synced=generator.random() < 0.5)
    stage.until_bundles(2)


def xavier(root):
    """A fake AGX Xavier whose trtexec is the stub of the tests. What its daemon saves of it is on the logged disk."""
    subprocess.run(["bash", REPOSITORY / "tests/host/make", XAVIER, root], check=True, capture_output=True)
    tools = root / "usr/src/tensorrt/bin"
    tools.mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/trtexec/stub", tools / "trtexec")
    (root / "etc/trtexec-stub").write_text("RELEASE=8502\n")
    (root / "var/lib/backbone").rmdir()
    (root / "var/lib/backbone").symlink_to("../../../m/power")


LIVES = {
    "synced": Life(synced, {"first": expect(), "second": expect(), "third": expect()}, weight=3),
    "scp": Life(scp, {"early": expect(), "waits": expect(), "later": expect()}, weight=5),
    "together": Life(together, {f"job{number:02}": expect() for number in range(10)}, share=0.5),
    "requests": Life(
        requests,
        {
            "again": expect(),
            "unwanted": expect(statuses=["measured", "cancelled"]),
            "dropped": expect(statuses=["measured", "cancelled"]),
            "kept": expect(),
        },
        weight=3,
    ),
    "retention": Life(
        retention,
        {f"bad{number:02}": expect(statuses=["rejected"]) for number in range(64)} | {"first": expect(), "last": expect()},
        settings={"keep_done_jobs": 1, "model_retention_seconds": 0},
        share=0.2,
    ),
    "collector": Life(collector, {f"job{number}": expect() for number in range(4)}, weight=2),
    "other-outbox": Life(other_outbox, {name: expect() for name in ("one", "two", "three")}, partitions=2, weight=2),
    "study": Life(study, {"study": expect(2), "same": expect(2)}, host=xavier, share=0.5),
    "power": Life(power, {"plain": expect(), "locked": expect()}, host=xavier, share=0.5),
}

# What the virtual machine of `guest.py` does, which is written there.
GUEST = Life(None, {name: expect() for name in ("first", "second", "early", "waits", "later")})
