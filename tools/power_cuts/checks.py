"""What must hold of a machine after a power cut, once it recovered."""

import json
import os
import re
import signal
import subprocess
import time

from .lives import FAST
from .stage import bundles_in, decode, host_files, only_waits, read_status, sha256

# A recovery is over, or only waits for people, long before.
RECOVERY_SECONDS = 180
LOOK_AFTER_SECONDS = 1.0

# A configuration under which the daemon or the machine went down so often is not tried again.
GIVEN_UP_AFTER = 3

# Latencies of the first models of a life stay far below those of the later ones.
BETWEEN_MODELS_NS = 1_500_000


class Promises:
    """What had been promised before a cut."""

    def __init__(self, notes, position):
        self.contents, self.durable, self.claimed, self.bound = {}, {}, set(), {}
        self.seen, self.removed, self.asked, self.done, self.hosts = {}, set(), [], [], []
        # The cut itself, and what took the daemon down before it.
        self.interruptions = 1
        for at, kind, fields in notes:
            if at > position:
                if kind == "host" and fields["before"] < position:
                    self.hosts.append(fields["files"])
                continue
            if kind == "begun":
                self.contents.setdefault(fields["name"], []).append(fields["content"])
            elif kind == "durable":
                self.durable[fields["name"]] = fields["content"]
            elif kind == "claimed":
                self.claimed.add(fields["job"])
            elif kind == "bound":
                self.bound[fields["id"]] = fields
            elif kind == "seen":
                self.seen[fields["name"]] = fields["content"]
            elif kind == "killed":
                self.interruptions += 1
            elif kind == "removed":
                self.removed.add(fields["name"])
            elif kind in ("asked", "done"):
                getattr(self, kind).append((fields["verb"], fields["job"]))
            elif kind == "host":
                self.hosts = [fields["files"]]

    def is_paused(self):
        """Whether measuring is paused: yes, no, or nobody knows."""
        last = [verb for verb, _ in self.asked if verb in ("pause", "resume")][-1:]
        known = [verb for verb, _ in self.done if verb in ("pause", "resume")][-1:]
        if not last:
            return False
        return last == ["pause"] if last == known else None


class Verdict:
    """The recovery of one state, and everything that is wrong with it."""

    def __init__(self, life, layout, programs, promises):
        self.life, self.layout, self.programs, self.promises = life, layout, programs, promises
        self.wrong, self.torn = [], 0
        self.log = layout.folder / "recovery.log"
        self.log.write_bytes(b"")

    def says(self, condition, text):
        if not condition:
            self.wrong.append(text)

    def check(self):
        """Recover, let people do their part, and look at everything."""
        self.whole_bundles("right after the boot")
        status = self.recover()
        pause = self.promises.is_paused()
        paused = (self.layout.mount / "spool/control/paused").exists()
        self.says(pause in (None, paused), f"paused is {paused}, and was {pause}")
        if paused:
            (self.layout.mount / "spool/control/paused").unlink()
            status = self.recover()
        waiting = status.get("waiting", [])
        if waiting:
            self.without_help(waiting)
            self.upload_again(waiting)
            status = self.recover()
            self.says(not status.get("waiting"), f"jobs wait although their files are there: {status.get('waiting')}")
        self.final(status)
        return self.wrong

    def recover(self):
        """Run the daemon until everything is done that can be."""
        process = self.programs.serve(self.layout, self.log)
        began, status = time.monotonic(), {}
        try:
            process.wait(LOOK_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            while process.poll() is None:
                status = read_status(self.layout.mount / "state")
                if status.get("process") == process.pid and only_waits(status):
                    # It waits for people, perhaps for a day.
                    process.send_signal(signal.SIGTERM)
                    process.wait()
                    break
                if time.monotonic() - began > RECOVERY_SECONDS:
                    process.kill()
                    process.wait()
                    self.wrong.append("the daemon does not come to an end")
                    break
                time.sleep(0.02)
        self.says(process.returncode == 0, f"the daemon ended with {process.returncode}")
        after = read_status(self.layout.mount / "state")
        self.says(after.get("process") == process.pid, "no status that can be read")
        # A stopped daemon says of waiting jobs what a running one does.
        return after if after.get("waiting") is not None else status

    def without_help(self, waiting):
        """A job that had its files needs nobody."""
        for one in waiting:
            self.says(one["id"] not in self.promises.bound, f"{one['job']} had its files and waits for {one['models']}: {one.get('why')}")
            durable = all(self.is_durable(name) for name in one["models"])
            self.says(not durable, f"{one['job']} waits for {one['models']}, which were durable: {one.get('why')}")

    def is_durable(self, name):
        contents = self.promises.contents.get(name, [])
        return len(contents) == 1 and self.promises.durable.get(name) == contents[0]

    def upload_again(self, waiting):
        """People upload what is waited for."""
        for one in waiting:
            wanted = re.findall(r"[0-9a-f]{64}", " ".join(one.get("why", [])))
            for name in one["models"]:
                contents = self.promises.contents.get(name, [])
                same = [content for content in contents if sha256(content) in wanted]
                content = (same or contents or [self.life_content(name)])[-1]
                temporary = self.layout.mount / "inbox" / f".{name}.again"
                temporary.write_bytes(content)
                temporary.rename(self.layout.mount / "inbox" / name)

    def life_content(self, name):
        """A model that had not come when the power went."""
        return b'{"latency_us": [%d]}' % FAST

    def whole_bundles(self, when):
        """Every bundle of the outbox, by name."""
        found = {}
        for name in bundles_in(self.layout.outbox):
            content = (self.layout.outbox / name).read_bytes()
            try:
                found[name] = (content, decode(content))
            except (OSError, ValueError, EOFError) as error:
                self.wrong.append(f"half a bundle {when}: {name}, {len(content)} bytes: {error}")
        return found

    def final(self, status):
        found = self.whole_bundles("at the end")
        for name, content in self.promises.seen.items():
            if name in found:
                self.says(found[name][0] == content, f"{name} was published twice, with other bytes")
            else:
                self.says(name in self.promises.removed, f"{name} was published and is gone")
                found[name] = (content, decode(content))
        bundles = {name: bundle for name, (_, bundle) in found.items()}
        for name in self.life.jobs:
            self.job(name, {key: bundle for key, bundle in bundles.items() if bundle["job"]["name"] == name})
        known = set(self.life.jobs)
        self.says(all(bundle["job"]["name"] in known for bundle in bundles.values()), "a bundle of an unknown job")
        self.chain({name: content for name, (content, _) in found.items()}, bundles)
        self.spool(status)
        self.host()

    def job(self, name, bundles):
        """Each configuration of each run has one bundle, of the right model."""
        promises, expected = self.promises, self.life.jobs[name]
        spec = f"{name}.yaml"
        retries = [promises.asked.count(("retry", name)), promises.done.count(("retry", name))]
        runs = {}
        for bundle in bundles.values():
            runs.setdefault(bundle["job"]["id"], []).append(bundle)
        seen = any(file.startswith(f"{name}.") for file in promises.seen)
        durable = spec in promises.durable or name in promises.claimed
        least = (1 + retries[1]) if durable or seen else 0
        most = 1 + retries[0] if spec in promises.contents else 0
        self.says(least <= len(runs) <= most, f"{name}: {len(runs)} runs instead of {least} to {most}")
        for bundle in (one for run in runs.values() for one in run):
            self.outcome(name, bundle, durable)
        for identity, run in runs.items():
            if run[0]["job"]["spec"] and not any(self.is_torn_spec(name, bundle) for bundle in run):
                count = expected["configurations"]
                self.says(len(run) == count, f"{name}: {len(run)} bundles of {identity} instead of {count}")

    def is_torn_spec(self, name, bundle):
        """The job file itself is not what was uploaded."""
        contents = [content.decode() for content in self.promises.contents.get(f"{name}.yaml", [])]
        return bundle["job"].get("spec") not in contents or "spec_encoding" in bundle["job"] and bundle["job"]["spec_encoding"] == "base64"

    def outcome(self, name, bundle, durable):
        promises = self.promises
        outcome, identity = bundle["outcome"], bundle["job"]["id"]
        if self.is_torn_spec(name, bundle):
            # An upload that nobody was told is there; it is shown, and not measured.
            self.torn += 1
            self.says(not durable and outcome["status"] == "rejected", f"{name}: its job file is torn: {outcome}")
            return
        statuses = set(self.life.jobs[name]["statuses"])
        cancelled = ("cancel", name) in promises.done
        if cancelled and not any(file.startswith(f"{name}.") and decode(content)["outcome"]["status"] == "measured" for file, content in promises.seen.items()):
            statuses = {"cancelled"}
        given_up = promises.interruptions >= GIVEN_UP_AFTER and outcome["reason"] == "interrupted_repeatedly"
        self.says(outcome["status"] in statuses or given_up, f"{name}: {outcome}")
        file = bundle.get("model")
        if outcome["status"] != "measured" or not file or file["file"] not in promises.contents:
            return
        contents = {sha256(content): content for content in promises.contents[file["file"]]}
        bound = promises.bound.get(identity)
        if bound:
            self.says(file["sha256"] in bound["digests"], f"{name}: measured {file['sha256']}, was bound to {bound['digests']}")
        else:
            self.says(file["sha256"] in contents, f"{name}: measured a model that nobody uploaded")
        if file["sha256"] in contents:
            microseconds = json.loads(contents[file["sha256"]])["latency_us"][0]
            latencies = [latency for trial in bundle["trials"] for latency in trial["latency_ns"]]
            self.says(min(latencies) >= microseconds * 1000, f"{name}: measured another model than it says")
            if microseconds < BETWEEN_MODELS_NS / 1000 / 2:
                self.says(min(latencies) < BETWEEN_MODELS_NS, f"{name}: measured a slower model than it says: {min(latencies)} ns")

    def chain(self, contents, bundles):
        """Numbers without a gap, each with the digest of the file before."""
        links = {}
        for name, bundle in bundles.items():
            integrity = bundle["integrity"]
            key = integrity["chain"], integrity["sequence"]
            self.says(key not in links, f"two bundles are number {key}")
            links[key] = integrity.get("previous_sha256"), sha256(contents[name])
        self.says(len({chain for chain, _ in links}) <= 1, "more than one chain")
        for (chain, number), (previous, _) in sorted(links.items()):
            if number > 1:
                before = links.get((chain, number - 1))
                self.says(before is not None, f"number {number - 1} of the chain is missing")
                self.says(before is None or before[1] == previous, f"number {number} names another digest for the one before")

    def spool(self, status):
        """Nothing is left but what is kept on purpose."""
        spool = self.layout.mount / "spool"
        for name in ("queue", "ready", "journal", "models"):
            left = os.listdir(spool / name)
            self.says(not left, f"{name} has {left}")
        copy = read_status(self.layout.outbox)
        self.says(copy.get("process") == status.get("process"), "the outbox has no copy of the status that can be read")
        left = [name for name in os.listdir(self.layout.mount / "inbox") if name.endswith((".yaml", ".cancel"))]
        self.says(not left, f"the inbox has {left}")
        if self.life.settings and "keep_done_jobs" in self.life.settings:
            return
        done = {name.rsplit("~", 1)[-1] for name in os.listdir(spool / "done")}
        for name in self.promises.claimed:
            self.says(f"{name}.yaml" in done, f"the job file of {name} is not in done/")

    def host(self):
        """The host is as its owner left it."""
        if not self.promises.hosts:
            return
        files = host_files(self.layout.host)
        first = self.layout.pristine
        changed = [name for name, text in first.items() if files.get(name, b"").strip() != text.strip()]
        self.says(not changed, f"the host is not as it was: {changed[:4]}")
        saved = self.layout.mount / "power/power-state.json"
        self.says(not saved.exists(), "the saved power state is still there")
