# Everything that a fresh Debian 12+ or Ubuntu 22.04+ with Rust and Python 3 (with pip) needs to build, test and install.
# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One compiler at a time: the targets share cargo's folder.
.NOTPARALLEL:

CARGO ?= cargo
ARCHITECTURE := $(shell uname -m)
# Where tools/fetch-runtimes leaves the inference libraries.
RUNTIMES := $(CURDIR)/runtimes/$(ARCHITECTURE)
# Every feature, for builds that have the libraries.
FEATURES := tflite
# The Python packages whose loops ours are compared with.
PYTHON_LOOPS := target/python-loops
# The Python packages that check and count our model files.
PYTHON_CHECKS := target/python-checks
# Those that give second opinions on the desk side's numbers; the tests look for them here.
PYTHON_DESK := target/python-desk
# Ansible and its linter.
PYTHON_ANSIBLE := target/python-ansible

DESTDIR ?=
PREFIX ?= /usr
# The executables to install, and their man pages and completions.
EXECUTABLES ?= target/release
PAGES ?= target/pages
# What packages are made for.
ARCHITECTURES ?= x86_64 aarch64

.PHONY: help packages runtimes build cross-build pages deb tarball check-deb test-deb demo test test-rack test-arm64 lint docs fuzz power-cuts bench check-networks check-models check-graphs graphs digests advisories install clean-demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

packages: ## install the system packages that building and testing need, where they are missing
	tools/install-packages

runtimes: packages ## fetch the inference libraries into runtimes/<architecture>
	tools/fetch-runtimes

build: runtimes pages ## release executables with every feature, in target/release
	$(CARGO) build --release --locked --features $(FEATURES) --bins

# With the features of a test build, so that it compiles little that is not compiled already.
pages: ## man pages and completions, in target/pages
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} \
	  $(CARGO) run --quiet --locked --example pages -- $(PAGES)

deb: pages ## packages for Debian and Ubuntu, for ARCHITECTURES, in target/packages
	for architecture in $(ARCHITECTURES); do \
	  tools/cross-build --arch $$architecture; \
	  tools/fetch-runtimes --arch $$architecture; \
	  packaging/build deb --architecture $$architecture --pages $(PAGES); done

tarball: pages ## archives for other systems, for ARCHITECTURES, in target/packages
	for architecture in $(ARCHITECTURES); do \
	  tools/cross-build --arch $$architecture; \
	  tools/fetch-runtimes --arch $$architecture; \
	  packaging/build tarball --architecture $$architecture --pages $(PAGES); done

check-deb: ## that two builds of the packages in target/packages have the same bytes, and what lintian says of them
	packaging/check $(ARCHITECTURES)

cross-build: ## release executables for x86-64 and arm64 and glibc 2.27, in target/dist; takes about 20 minutes
	tools/cross-build --arch x86_64
	tools/cross-build --arch aarch64

test-arm64: ## the whole product in an emulated arm64 machine, from the package to a report; needs root and qemu
	tools/install-packages --arm64
	[ -x target/dist/aarch64/backbone ] || tools/cross-build --arch aarch64
	tools/test-arm64

test-deb: runtimes pages ## install, upgrade, downgrade, remove and purge the release packages, as root
	BACKBONE_REQUIRE_SYSTEMD=1 BACKBONE_TEST_EXECUTABLES=target/dist/$(ARCHITECTURE) \
	  $(CARGO) test --locked --features $(FEATURES) --test daemon -- packages:: systemd::

demo: build clean-demo ## measure inbox-examples/, show the results and write a report on them
	mkdir -p demo/inbox demo/outbox demo/state
	cp inbox-examples/*.yaml inbox-examples/*.onnx inbox-examples/*.tflite demo/inbox/
	sed 's|@LIBRARIES@|$(RUNTIMES)|' systemd/config.yaml > demo/config.yaml
	target/release/backbone serve --once --config demo/config.yaml \
	  --inbox $(CURDIR)/demo/inbox --outbox $(CURDIR)/demo/outbox --state $(CURDIR)/demo/state
	target/release/backbone report demo/outbox -o demo/report.html

clean-demo:
	rm -rf demo

# Without the feature `tflite` one executable is not built and the rest is the same code: compiling shows that it compiles.
test: runtimes $(PYTHON_CHECKS) $(PYTHON_DESK) ## every test, and a share of check-networks
	BACKBONE_REQUIRE_RUNTIMES=1 BACKBONE_REQUIRE_PYTHON=1 $(CARGO) test --locked --features $(FEATURES)
	$(CARGO) check --locked --all-targets
	$(MAKE) check-graphs
	PYTHONPATH=$(PYTHON_CHECKS) tools/check-networks --program target/debug/backbone --quick
	tools/power-cuts --quick

test-rack: runtimes $(PYTHON_DESK) $(PYTHON_ANSIBLE) ## a rack of twenty hosts on loopback, and the playbooks; takes some minutes
	BACKBONE_REQUIRE_RUNTIMES=1 BACKBONE_REQUIRE_PYTHON=1 BACKBONE_REQUIRE_SSHD=1 BACKBONE_REQUIRE_ANSIBLE=1 \
	  $(CARGO) test --locked --features $(FEATURES) --test rack -- --include-ignored --nocapture --test-threads 1

lint: runtimes ## format, clippy, documentation and licences
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy --locked --all-targets --features $(FEATURES) -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --locked --no-deps --document-private-items --features $(FEATURES)
	$$(tools/fetch-cargo-deny) --all-features --locked check bans licenses sources

# With the features of `make test`, so that both use one build.
docs: runtimes ## write the derived tables in docs/ again
	BACKBONE_REGENERATE=1 $(CARGO) test --locked --features $(FEATURES) --lib -- --quiet

fuzz: ## search for bytes on which a reader of foreign files or output panics or hangs; takes some hours, and may be interrupted
	tools/fuzz

.PHONY: mutants
mutants: ## change statistics, verdicts, analysis and plans in one place after another, and see whether a test notices; takes days, resumes
	tools/mutants

# Continues where it was stopped; the summary is target/soak/summary.json. KILLS=20000 for more.
KILLS ?= 10000
.PHONY: soak
soak: runtimes ## whole lives of a daemon with 10,000 kills in them; takes an hour or two
	BACKBONE_SOAK_KILLS=$(KILLS) $(CARGO) test --locked --features $(FEATURES) --test devices -- --ignored --nocapture lives::soak

# Release executables: each state starts a daemon, and a daemon reads its own file.
power-cuts: runtimes ## cut the power of machines at 20,000 points, as root; takes hours, and what it tried adds up over runs
	$(CARGO) build --release --locked --bin backbone --bin backbone-daemon
	tools/power-cuts --program target/release/backbone
	tools/power-cuts --program target/release/backbone --bug all
	tools/power-cuts --program target/release/backbone --guest 100

bench: runtimes $(PYTHON_LOOPS) ## the numbers that this project promises; takes about 20 minutes
	$(CARGO) bench --locked --features $(FEATURES) --no-fail-fast --bench '*'

# Folders and no virtual environments, because pip alone is enough for them.
$(PYTHON_LOOPS): benches/requirements.txt
$(PYTHON_CHECKS): tools/requirements.txt
$(PYTHON_DESK): tests/desk/requirements.txt
$(PYTHON_ANSIBLE): tests/rack/requirements.txt
$(PYTHON_LOOPS) $(PYTHON_CHECKS) $(PYTHON_DESK) $(PYTHON_ANSIBLE):
	rm -rf $@
	python3 -m pip install --quiet --target $@ --requirement $<

check-networks: $(PYTHON_CHECKS) ## every network of the family, by onnx, ONNX Runtime and LiteRT from PyPI; takes some minutes
	$(CARGO) build --release --locked --bin backbone
	PYTHONPATH=$(PYTHON_CHECKS) tools/check-networks --program target/release/backbone

check-models: runtimes $(PYTHON_CHECKS) ## 72 public models from PyPI, measured and counted, against what runs; takes some minutes
	$(CARGO) build --release --locked --features $(FEATURES) --bins
	PYTHONPATH=$(PYTHON_CHECKS) tools/check-models --program target/release/backbone

check-graphs: $(PYTHON_CHECKS) ## that tests/graphs is what onnx and onnx-tool from PyPI make and count today
	PYTHONPATH=$(PYTHON_CHECKS) tools/make-foreign-graphs --check

graphs: $(PYTHON_CHECKS) ## write tests/graphs again
	PYTHONPATH=$(PYTHON_CHECKS) tools/make-foreign-graphs

digests: ## that all 810 model files of the family are, byte for byte, those of tests/networks.sha256
	$(CARGO) test --release --locked --test house digests:: -- --include-ignored

advisories: ## known vulnerabilities in dependencies; needs the internet
	$$(tools/fetch-cargo-deny) --all-features check advisories

# Builds nothing, so that it can run as root after `make build` ran as another user.
install: ## copy executables, libraries, unit, documents and examples below DESTDIR
	install -Dm755 $(EXECUTABLES)/backbone $(DESTDIR)$(PREFIX)/bin/backbone
	install -Dm755 $(EXECUTABLES)/backbone-daemon $(DESTDIR)$(PREFIX)/bin/backbone-daemon
	if [ -e $(EXECUTABLES)/backbone-worker-tflite ]; then \
	  install -Dm755 $(EXECUTABLES)/backbone-worker-tflite $(DESTDIR)$(PREFIX)/bin/backbone-worker-tflite; fi
	install -d $(DESTDIR)$(PREFIX)/lib/backbone
	if [ -d $(RUNTIMES) ]; then cp -Pf --no-preserve=ownership $(RUNTIMES)/*.so* $(DESTDIR)$(PREFIX)/lib/backbone/; fi
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/bin/|$(PREFIX)/bin/|; s|/usr/share/|$(PREFIX)/share/|' systemd/backbone.service \
	  > $(DESTDIR)$(PREFIX)/lib/systemd/system/backbone.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/backbone.service
	install -Dm644 systemd/backbone.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/backbone.conf
	install -Dm644 systemd/backbone.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/backbone.conf
	if [ -d $(PAGES) ]; then (cd $(PAGES) && find . -type f) | while read -r page; do \
	  install -Dm644 $(PAGES)/$$page $(DESTDIR)$(PREFIX)/share/$$page; done; fi
	install -d $(DESTDIR)$(PREFIX)/share/doc/backbone/inbox-examples
	install -m644 README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/backbone/
	if [ -d $(RUNTIMES) ]; then install -m644 $(RUNTIMES)/LICENSE.* $(DESTDIR)$(PREFIX)/share/doc/backbone/; fi
	install -m644 inbox-examples/* $(DESTDIR)$(PREFIX)/share/doc/backbone/inbox-examples/
	find ansible monitoring systemd/push -type f | while read -r file; do \
	  install -Dm644 $$file $(DESTDIR)$(PREFIX)/share/backbone/$$file; done
# Never overwrites the file, which may have been edited. Names no libraries if none were installed.
	if [ ! -e $(DESTDIR)/etc/backbone/config.yaml ]; then \
	  install -d $(DESTDIR)/etc/backbone; \
	  if [ -d $(RUNTIMES) ]; then absent=; else absent='/^runtimes:/,/^$$/s/^./# &/;'; fi; \
	  sed "$$absent"'s|@LIBRARIES@|$(PREFIX)/lib/backbone|' systemd/config.yaml > $(DESTDIR)/etc/backbone/config.yaml; \
	  chmod 644 $(DESTDIR)/etc/backbone/config.yaml; fi
