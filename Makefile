# railcni: the two commands a newcomer needs are `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := build

PLUGINS := $(notdir $(wildcard plugins/*))
PROGRAMS := $(PLUGINS) railctl raild
BINARIES := $(PROGRAMS) railcni-install
# What is built for: TARGET=aarch64-unknown-linux-musl builds for Arm, into dist/arm64.
HOST := $(shell uname -m)-unknown-linux-musl
TARGET ?= $(HOST)
arch = $(if $(filter aarch64-%,$(1)),arm64,amd64)
ARCH := $(call arch,$(TARGET))
DIST ?= dist$(if $(filter-out $(HOST),$(TARGET)),/$(ARCH))
# Those of the image and of a release.
TARGETS ?= x86_64-unknown-linux-musl aarch64-unknown-linux-musl
CNI_BIN_DIR ?= /opt/cni/bin
PREFIX ?= /usr/local
SBIN_DIR ?= $(PREFIX)/bin
UNIT_DIR ?= $(PREFIX)/lib/systemd/system
SHARE_DIR ?= $(PREFIX)/share
# VM=0 leaves out the VM lab; the run then says so at its end.
VM ?= 1
# AGAIN=N: up to N tests that failed run once more, by themselves; those that pass then are named at the end.
AGAIN ?= 0
CARGO ?= cargo

.PHONY: release publish keep-version images test-arm64 test-arm64-vm build demo fuzz t test torture lint bench counts install uninstall setup vm-test vm-matrix vm-shell vm-bench cluster-test cluster-versions cluster-shell cluster-down cluster-bench image fresh-test clean help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / - /'

setup: ## install what building and testing need and this machine lacks
	@scripts/setup

build: ## every binary, static and stripped, into dist/ (TARGET=aarch64-unknown-linux-musl: for Arm, into dist/arm64)
	@TARGET=$(TARGET) scripts/setup build
	@TARGET=$(TARGET) DIST=$(DIST) CARGO=$(CARGO) scripts/build $(BINARIES)

demo: build ## a pod with eight rails on this machine: no hardware, no Kubernetes
	@scripts/setup demo
	@scripts/as-root $(abspath $(DIST))/railctl demo

test: build ## everything: unit, protocol, namespaces, crash, cluster, VM lab
	@scripts/setup test
	@DIST=$(abspath $(DIST)) CARGO=$(CARGO) VM=$(VM) AGAIN=$(AGAIN) scripts/as-root scripts/test

t: ## one test of whatever kind, by its name or a part of it: make t T=NAME
	@scripts/setup test
	@CARGO=$(CARGO) scripts/as-root scripts/t $(T)

test-arm64: ## only the tests of the build for Arm, under an emulator of its instructions
	@scripts/setup test
	@CARGO=$(CARGO) scripts/test-arm64

test-arm64-vm: ## the demo on an Arm kernel, under an emulator of the whole machine
	@scripts/setup test
	@CARGO=$(CARGO) scripts/as-root scripts/test-arm64-vm

torture: build ## the matrices in full, power loss, crowds: three quarters of an hour on 2 CPUs (RAILCNI_TORTURE=all for every failure in the VM lab, too)
	@scripts/setup test
	@DIST=$(abspath $(DIST)) CARGO=$(CARGO) VM=$(VM) scripts/as-root scripts/torture

fuzz: build ## every reader of foreign bytes on so many mutations of its corpus (ROUNDS=20000: a minute), every binary on a tenth; fuzz/ has the same for libFuzzer
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) RAILCNI_HOSTILE_ROUNDS=$(or $(ROUNDS),20000) scripts/as-root $(CARGO) test -p hostile -p netns-tests --test bounded --test hostile

lint: ## formatting, clippy as errors, licences and advisories
	@scripts/setup lint
	@CARGO=$(CARGO) scripts/lint

vm-test: build ## only the tests that run in the VM lab, and those that take minutes there and are left out of make test
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) scripts/as-root $(CARGO) test --workspace --test vm -- --include-ignored
	@CARGO=$(CARGO) scripts/as-root scripts/test-arm64-vm

vm-matrix: build ## the VM lab on the release's kernel and on the backported one
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) RAILCNI_VM_KERNEL=release,backports scripts/as-root $(CARGO) test --workspace --test vm -- --include-ignored

vm-shell: build ## a shell in a guest with two rails of four VFs
	@scripts/as-root $(CARGO) run -q -p vm -- shell --rails 2 --vfs 4

bench: build ## whole processes side by side with the peers; exits non-zero when a budget is missed
	@scripts/setup bench
	@DIST=target/bench CARGO=$(CARGO) scripts/build bench bare
	@scripts/as-root target/bench/bench --bin-dir $(abspath $(DIST)) --check

counts: build ## write benches/counts.txt anew: what ADD and DEL ask of the kernel, which a test holds them to
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) CARGO=$(CARGO) scripts/as-root scripts/counts

vm-bench: build ## VFs in the VM lab against their bare netlink messages, eight rails against the peers' macvlans; numbers in target/bench/vf.json
	@scripts/setup bench test
	@DIST=target/bench CARGO=$(CARGO) scripts/build bench bare
	@scripts/as-root $(CARGO) run -q -p vm -- run --rails 8 --vfs 1 --limit 900 -- \
		$(abspath target/bench)/bench vf --bin-dir $(abspath $(DIST)) --rounds 20 --check >target/bench/vf.json

cluster-test: build ## only the tests that run in a real cluster on this machine
	@scripts/setup test
	@scripts/as-root $(CARGO) run -q --locked -p cluster -- build
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) scripts/as-root $(CARGO) test -p cluster

cluster-versions: build ## a part of these tests on Kubernetes 1.34 with Debian's containerd, which make test leaves out
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) CARGO=$(CARGO) scripts/as-root scripts/cluster-versions

cluster-shell: build ## a shell with kubectl for two nodes with eight rails each; they end with it
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) scripts/as-root $(CARGO) run -q --locked -p cluster -- shell

cluster-down: ## end the clusters of shells, and remove what killed runs left
	@scripts/as-root $(CARGO) run -q --locked -p cluster -- down

cluster-bench: build ## pods with rails beside pods with the peers' chains, on the same nodes: time to Ready, Multus' own time, writes to the API server; and what addresses cost it, beside whereabouts
	@scripts/setup test
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) scripts/as-root $(CARGO) run -q --locked -p cluster -- bench
	@RAILCNI_BIN_DIR=$(abspath $(DIST)) scripts/as-root $(CARGO) run -q --locked -p cluster -- addresses

image: build ## an OCI image of the plugins and raild, in $(DIST)/railcni.tar and $(DIST)/oci (make images: of both architectures)
	@$(CARGO) run -q --locked -p image -- --arch $(ARCH)=$(DIST) --tar $(DIST)/railcni.tar --layout $(DIST)/oci $(PROGRAMS)

images: $(TARGETS:%=for-%) ## one image for amd64 and arm64, in dist/railcni.tar and dist/oci
	@$(CARGO) run -q --locked -p image -- $(foreach t,$(TARGETS),--arch $(call arch,$(t))=dist/$(call arch,$(t))) --tar dist/railcni.tar --layout dist/oci $(PROGRAMS)

release: $(TARGETS:%=for-%) ## archives, deb and rpm packages, image, chart, bill of materials and checksums for amd64 and arm64, in dist/release
	@DIST=dist BINARIES="$(BINARIES)" CARGO=$(CARGO) scripts/release $(foreach t,$(TARGETS),$(call arch,$(t))=$(t))

keep-version: build ## what this version leaves on a node, into tests/versions, for the tests of all versions to come
	@DIST=$(abspath $(DIST)) scripts/as-root scripts/keep-version

publish: ## hand out dist/release on the forge: make publish TAG=v0.1.0
	@scripts/publish $(TAG)

# One after the other: each build takes every CPU.
.NOTPARALLEL: images release
for-%:
	@$(MAKE) --no-print-directory build TARGET=$* DIST=dist/$(call arch,$*)

install: build ## plugins into $(DESTDIR)$(CNI_BIN_DIR); railctl, units, manual pages and completions below $(DESTDIR)$(PREFIX)
	@scripts/install $(DIST) "$(DESTDIR)$(CNI_BIN_DIR)" $(PLUGINS)
	@scripts/install $(DIST) "$(DESTDIR)$(SBIN_DIR)" railctl
	@scripts/install-units deploy/systemd "$(DESTDIR)$(UNIT_DIR)" $(SBIN_DIR)
	@CARGO=$(CARGO) scripts/install-manual $(DIST) "$(DESTDIR)$(SHARE_DIR)"

uninstall: ## what make install put there, unless attachments of pods are on record
	@scripts/uninstall "$(DESTDIR)" "$(CNI_BIN_DIR)" "$(SBIN_DIR)" "$(UNIT_DIR)" "$(SHARE_DIR)" $(PLUGINS)

fresh-test: ## the README's two commands on fresh roots of Debian 12 and 13 (SUITES=trixie: on one), 10 GB each
	@scripts/fresh-test $(SUITES)

clean: ## what building left
	rm -rf target $(DIST)
