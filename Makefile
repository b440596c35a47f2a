# CamDock's make targets; `make help` lists them. Everything made here goes to the build folder.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
FOOTAGE := $(TARGET)/footage
CARGO_FLAGS := $(if $(CI),--locked,)
export CAMDOCK_TOOLS := $(TARGET)/tools

# Recipes share one build folder and one machine: measuring beside building would tell nothing.
.NOTPARALLEL:
.PHONY: help setup vm vm-case soak load demo demo-small test test-fast test-previews stores fresh fuzz fmt lint deny bench bench-quick clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what is missing for the tests: Debian packages, the tools' Python environment
	@tests/tools/setup.sh vm

setup-%:
	@tests/tools/setup.sh $*

# The footage is made beside the build, on the core that the linker leaves idle.
demo: setup-demo ## a station and its office on this machine: store, two cameras, sealed, stored, verified, opened
	nice -n 19 tests/tools/make_footage.sh $(FOOTAGE)/normal normal & \
	cargo build $(CARGO_FLAGS) --profile demo --bin camdock --bin camdock-preview && wait $$!
	CAMDOCK_FOOTAGE=$(FOOTAGE)/normal $(TARGET)/demo/camdock demo

# The same with little footage and the program that the tests have built already.
demo-small: setup-demo
	cargo build $(CARGO_FLAGS) --bin camdock --bin camdock-preview
	tests/tools/make_footage.sh $(FOOTAGE)/small small
	CI=true CAMDOCK_FOOTAGE=$(FOOTAGE)/small $(TARGET)/debug/camdock demo </dev/null

test: setup-vm fmt lint ## format, lints, every test, a small demo
	@tests/tools/run_tests.sh all
	$(MAKE) --no-print-directory demo-small
	@tests/tools/run_tests.sh closing-line

test-fast: setup-test fmt lint ## the same without slow tests (virtual machine, browser, files over 4 GiB) and without the demo
	@tests/tools/run_tests.sh fast
	@tests/tools/run_tests.sh closing-line

stores: setup-test ## the tests against stores of several makers (SeaweedFS, Ceph, moto) and against stores that ignore what they are asked; part of `make test`
	cargo test $(CARGO_FLAGS) --test stores

fuzz: setup-test ## fuzz what cameras send, guided by coverage; FUZZ_SECONDS for each of the four targets (60)
	@tests/tools/fuzz.sh

vm: setup-vm ## a shell in the tests' virtual machine, the service installed; `poweroff` ends it
	cargo test $(CARGO_FLAGS) --test vm -- --ignored --exact --nocapture cases::shell_in_the_guest

vm-case: setup-vm ## one case in the virtual machine, as CASE=part-of-its-name; without CASE all of them
	cargo test $(CARGO_FLAGS) --test vm -- --nocapture --test-threads 1 '$(CASE)'

load: setup-test ## 64 cameras with FILES files at once (50,000): memory, fair shares, everything verified; ten minutes or more, 5 GB
	CAMDOCK_LOAD_FILES=$(or $(FILES),50000) cargo test $(CARGO_FLAGS) --test station -- --exact --nocapture \
		load::sixty_four_cameras_at_once_get_fair_shares_in_bounded_memory

# A million steps of the model check, a day of shifts in fast motion, the load, then the power cuts.
soak: setup-vm ## a million steps of the model check, a long day of shifts (STEPS, 2000), `make load`, then power cuts in the virtual machine (CUTS, 100; a minute each)
	CAMDOCK_MODEL_SEED=$$(date +%s) CAMDOCK_MODEL_STEPS=$(or $(MODEL_STEPS),1000000) cargo test $(CARGO_FLAGS) --lib -- --exact --nocapture \
		ingest::job::model::whatever_happens_to_a_station_its_promises_are_kept
	CAMDOCK_DAY_STEPS=$(or $(STEPS),2000) cargo test $(CARGO_FLAGS) --test station -- --exact --nocapture \
		day::a_day_of_shifts_in_fast_motion_ends_with_each_file_stored_once
	$(MAKE) --no-print-directory load
	CAMDOCK_VM_CUTS=$(or $(CUTS),100) cargo test $(CARGO_FLAGS) --test vm -- --exact --nocapture \
		cases::power::vm_power_cuts_lose_nothing_that_was_shown_as_safe

# What depends on the version of ffmpeg, built like the demo, so that this builds little after it.
test-previews: setup-demo ## lints, and the previews' tests only: for another version of ffmpeg
	cargo clippy $(CARGO_FLAGS) --profile demo --all-targets -- -D warnings
	cargo test $(CARGO_FLAGS) --profile demo --lib -- preview::
	cargo test $(CARGO_FLAGS) --profile demo --test preview

fresh: ## `make demo` on new Debian 12 and 13 machines with nothing but Rust; FRESH=trixie for one, FRESH_TARGET=test for another target; as root
	@tests/tools/fresh.sh

fmt:
	cargo fmt --check

lint:
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --offline check licenses bans sources; fi

# It asks the registry, unlike `lint`, and is built once: minutes, which no other target should take.
deny: ## licences, sources and double versions of everything that is compiled in, by deny.toml
	@test -x $(CAMDOCK_TOOLS)/bin/cargo-deny || cargo install --quiet --locked --root $(CAMDOCK_TOOLS) --version 0.20.2 cargo-deny
	$(CAMDOCK_TOOLS)/bin/cargo-deny check licenses bans sources

bench: setup-bench ## measure against the machine's limits and the usual tools; wants a quiet machine
	cargo build $(CARGO_FLAGS) --release --bin camdock --bin camdock-preview
	$(CAMDOCK_TOOLS)/venv/bin/python tests/bench/run.py $(BENCH)

bench-quick: ## the same with little footage, to see that measuring works; its figures say little
	@$(MAKE) --no-print-directory bench BENCH="--quick $(BENCH)"

clean: ## remove everything that was built, the test tools too
	rm -rf $(TARGET)
