# What contributors and CI run. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# rustup's directory, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin
VENV ?= $(CURDIR)/.venv
export SENTINEL_TEST_VENV := $(VENV)
PREFIX ?= /usr/local

# Builds the release program and says where cargo put it, wherever its target directory is.
release = cargo build --release --locked --bin sentinel --message-format=json-render-diagnostics \
	| sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'

.PHONY: help run test check bench tools venv install clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

run: venv ## build sentinel and show it at work against a local stand-in for AWS
	@program=$$($(release)); exec "$(VENV)/bin/python" demo/demo.py "$$program"

test: venv ## everything that is tested, real clients included
	PATH="$(VENV)/bin:$$PATH" cargo test --locked

check: tools ## formatting, lints, documentation, and which module may use which
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo test --locked --test main layering

bench: tools ## measure speed and memory, and write them to benches/RESULTS.md
	cargo bench --locked --bench bench -- --write benches/RESULTS.md

install: tools ## install the program under $(DESTDIR)$(PREFIX)/bin
	@program=$$($(release)); install -d "$(DESTDIR)$(PREFIX)/bin"; \
	install -m 755 "$$program" "$(DESTDIR)$(PREFIX)/bin/sentinel"; echo "$(DESTDIR)$(PREFIX)/bin/sentinel"

clean: ## remove what was built, the Python environment included
	cargo clean
	rm -rf "$(VENV)"

venv: tools ## the Python environment of the real clients
	@python3 tests/clients/make_venv.py "$(VENV)"

tools: ## see that the compilers are there; as root on Debian, install those that are not
	@command -v cargo >/dev/null || { echo "cargo is missing: get Rust 1.95 or later from https://rustup.rs" >&2; exit 1; }
	@missing=; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v python3 >/dev/null || missing="$$missing python3"; \
	python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else echo "these packages are missing:$$missing (Debian's names); install them and run make again" >&2; exit 1; fi
