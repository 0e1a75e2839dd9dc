"""Bugs that are put into the daemon and must be found: a sync that is skipped, by strace, and two steps in the wrong order, by
a change of a copy of the sources. What is shipped knows nothing of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class Skipped:
    """strace answers fsync(2) of these files in place of the kernel: it worked, and nothing happened."""

    def __init__(self, life, paths):
        self.life, self.paths = life, paths

    def install(self, programs, _folder):
        """The programs, and what the daemon is started with."""
        if not shutil.which("strace"):
            sys.exit("error: strace is missing (Debian package strace)")
        before = ["strace", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:retval=0"]
        for path in self.paths:
            before += ["-P", "{mount}/" + path]
        return programs, before


class Changed:
    """Programs that are built from changed sources."""

    def __init__(self, life, file, lines, wrong):
        self.life, self.file, self.lines, self.wrong = life, file, lines, wrong

    def install(self, programs, folder):
        sources = folder / "sources"
        shutil.rmtree(sources, ignore_errors=True)
        sources.mkdir(parents=True)
        for entry in REPOSITORY.iterdir():
            if entry.name not in ("src", "target", ".git"):
                (sources / entry.name).symlink_to(entry)
        shutil.copytree(REPOSITORY / "src", sources / "src")
        text = (sources / self.file).read_text()
        if text.count(self.lines) != 1:
            sys.exit(f"error: {self.file} no longer has the lines that this bug changes:\n{self.lines}")
        (sources / self.file).write_text(text.replace(self.lines, self.wrong))
        build = ["cargo", "build", "--quiet", "--locked", "--no-default-features", "--bin", "backbone", "--bin", "backbone-daemon"]
        environment = os.environ | {"CARGO_TARGET_DIR": str(folder / "build")}
        subprocess.run(build, check=True, cwd=sources, env=environment)
        return type(programs)(folder / "build/debug/backbone"), []


BUGS = {
    # A job file is claimed before it is on the disk.
    "dropped-file-sync": Skipped("scp", ["inbox/early.yaml", "inbox/later.yaml"]),
    # `backbone pause` says that it is done before its request is on the disk. Not the folders of a claim: ext4 writes its
    # journal in order, and the next sync of any file makes them durable.
    "dropped-folder-sync": Skipped("requests", ["spool/control"]),
    # A journal says that a bundle is ready before it is.
    "swapped-steps": Changed(
        "synced",
        "src/daemon/outlet/mod.rs",
        """        let written = spool
            .make_ready(&unwritten.name, &unwritten.bytes)
            .and_then(|()| self.chain.advance(&unwritten.link))
            .and_then(|()| journal.append(&record, Durable::Now))
""",
        """        let written = journal
            .append(&record, Durable::Now)
            .and_then(|()| spool.make_ready(&unwritten.name, &unwritten.bytes))
            .and_then(|()| self.chain.advance(&unwritten.link))
""",
    ),
}
