# What contributors and CI run. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# rustup's directory, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin
VENV ?= $(CURDIR)/.venv
export SENTINEL_TEST_VENV := $(VENV)
PREFIX ?= /usr/local
MAN := share/man/man1/sentinel.1
BASH_COMPLETION := share/bash-completion/completions/sentinel
ZSH_COMPLETION := share/zsh/site-functions/_sentinel
FISH_COMPLETION := share/fish/vendor_completions.d/sentinel.fish

# Builds the release program and says where cargo put it, wherever its target directory is.
release = cargo build --release --locked --bin sentinel --message-format=json-render-diagnostics \
	| sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'

.PHONY: help run test static test-static check shells tools venv install uninstall clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: venv ## build sentinel and show it at work against a local stand-in for AWS
	@program=$$($(release)); exec "$(VENV)/bin/python" demo/demo.py "$$program"

test: venv ## everything that is tested, real clients included
	PATH="$(VENV)/bin:$$PATH" cargo test --locked

static: tools ## build and check dist/sentinel, which needs no file but itself (WAY=rustup or WAY=debian)
	@build/static.sh $(WAY)

test-static: static venv ## the integration tests and the demonstration, with dist/sentinel
	export SENTINEL_UNDER_TEST="$(CURDIR)/dist/sentinel" PATH="$(VENV)/bin:$$PATH"; \
	cargo test --locked --test main -- --ignored --exact harness_is_honest::the_program_under_test_is_static \
	  | tee /dev/stderr | grep '1 passed' >/dev/null; \
	cargo test --locked --test main; \
	python demo/demo.py dist/sentinel

check: tools ## formatting, lints, documentation, and which module may use which
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo test --locked --test main layering

install: tools ## the program, its man page and completions into $(DESTDIR)$(PREFIX); STATIC=1 takes dist/sentinel
	@program=$$(if [ -n "$(STATIC)" ]; then $(MAKE) -s static | tail -n 1; else $(release); fi); \
	root="$(DESTDIR)$(PREFIX)"; made=$$(mktemp -d); trap 'rm -r "$$made"' EXIT; \
	"$$program" man >"$$made/sentinel.1"; \
	for shell in bash zsh fish; do "$$program" completions $$shell >"$$made/$$shell"; done; \
	install -D -m 755 "$$program" "$$root/bin/sentinel"; \
	install -D -m 644 "$$made/sentinel.1" "$$root/$(MAN)"; \
	for shell in bash:$(BASH_COMPLETION) zsh:$(ZSH_COMPLETION) fish:$(FISH_COMPLETION); do \
	  install -D -m 644 "$$made/$${shell%%:*}" "$$root/$${shell#*:}"; \
	done; \
	printf '%s\n' "$$root"/{bin/sentinel,$(MAN),$(BASH_COMPLETION),$(ZSH_COMPLETION),$(FISH_COMPLETION)}

uninstall: ## remove what `make install` installed
	rm -f "$(DESTDIR)$(PREFIX)"/{bin/sentinel,$(MAN),$(BASH_COMPLETION),$(ZSH_COMPLETION),$(FISH_COMPLETION)}

clean: ## remove what was built, the Python environment included
	cargo clean
	rm -rf "$(VENV)" dist

venv: tools ## the Python environment of the real clients
	@python3 tests/clients/make_venv.py "$(VENV)"

shells: ## as root on Debian, install the shells and formatters without which some tests are skipped
	@missing=; \
	for name in zsh fish mandoc groff; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $${missing/groff/groff-base} >/dev/null; \
	else echo "tests of these are skipped:$$missing"; fi

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
