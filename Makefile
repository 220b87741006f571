# What contributors and CI run. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# rustup's directory, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin
VENV ?= $(CURDIR)/.venv
export SENTINEL_TEST_VENV := $(VENV)
JS_CLIENTS ?= $(CURDIR)/.node
export SENTINEL_TEST_NODE := $(JS_CLIENTS)
CLIENTS ?= $(CURDIR)/.clients
export SENTINEL_TEST_CLIENTS := $(CLIENTS)
PREFIX ?= /usr/local
CARGO_DENY := 0.20.2
# How long each fuzz target runs, with which sanitizer (none, or address, for which stable rustc has to be asked), by which
# cargo-fuzz.
FUZZ_SECONDS ?= 60
SANITIZER ?= none
CARGO_FUZZ := 0.13.2
ifneq ($(SANITIZER),none)
fuzz: export RUSTC_BOOTSTRAP := 1
endif
MAN := share/man/man1/sentinel.1
BASH_COMPLETION := share/bash-completion/completions/sentinel
ZSH_COMPLETION := share/zsh/site-functions/_sentinel
FISH_COMPLETION := share/fish/vendor_completions.d/sentinel.fish

# Builds the release program and says where cargo put it, wherever its target directory is.
release = cargo build --release --locked --bin sentinel --message-format=json-render-diagnostics \
	| sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'

# As root on Debian, installs the packages $(2) where one of the programs $(1) is missing.
debian = if ! which $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; } \
	    || echo "$(2) cannot be installed" >&2; \
	fi

.PHONY: help run test static test-static check audit pages deny fuzz bench macos shells tools install uninstall clean
.PHONY: clients venv node aws-cli-2 rust-client go-client java-client

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: venv ## build sentinel and show it at work against a local stand-in for AWS
	@program=$$($(release)); exec "$(VENV)/bin/python" demo/demo.py "$$program"

test: clients ## everything that is tested, real clients included
	PATH="$(VENV)/bin:$$PATH" cargo test --locked

static: tools ## build and check dist/sentinel, which needs no file but itself (WAY=rustup or WAY=debian)
	@build/static.sh $(WAY)

# But for the comparison with the AWS CLI and the stores' tests: how a program is linked changes neither, and they take minutes.
test-static: static clients ## the integration tests and the demonstration, with dist/sentinel
	export SENTINEL_UNDER_TEST="$(CURDIR)/dist/sentinel" PATH="$(VENV)/bin:$$PATH"; \
	said=$$(cargo test --locked --test main -- --ignored --exact harness_is_honest::the_program_under_test_is_static); \
	echo "$$said"; grep -q '1 passed' <<<"$$said"; \
	cargo test --locked --test main -- --skip clients::comparison --skip store::; \
	python demo/demo.py dist/sentinel

check: tools ## formatting, lints, documentation, and which module may use which
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo test --locked --test main layering

audit: deny ## licences, bans and sources of all dependencies, and the pages that reviewers read
	cargo deny --locked --config audit/deny.toml check licenses bans sources
	audit/deny_bites.sh
	cargo test --locked --test main -- dependencies unsafe_list reading_order threats_table

bench: static ## measure speed and memory, and write them to benches/RESULTS.md
	SENTINEL_STATIC="$(CURDIR)/dist/sentinel" cargo bench --locked --bench bench -- --write benches/RESULTS.md

pages: clients ## write the pages that are made from the sources, from what attacks show and from what clients do
	SENTINEL_WRITE=1 cargo test --locked --test main -- unsafe_list profile_keys threats::modes clients::table

# Built without its release's optimisations: it runs for a second.
deny: tools
	@cargo deny --version 2>/dev/null | grep -qx "cargo-deny $(CARGO_DENY)" || \
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
	env -u CARGO_TARGET_DIR cargo install --quiet --locked --force cargo-deny --version "=$(CARGO_DENY)"

fuzz: tools ## fuzz every reader of input for FUZZ_SECONDS each (60; SANITIZER=address takes longer to build)
	@command -v c++ >/dev/null || { echo "c++ is missing: libFuzzer is built with it (g++ on Debian)" >&2; exit 1; }
	@cargo fuzz --version 2>/dev/null | grep -qx "cargo-fuzz $(CARGO_FUZZ)" \
	  || cargo install --quiet --locked cargo-fuzz --version $(CARGO_FUZZ)
	cargo fuzz build -s $(SANITIZER)
	@for target in $$(cargo fuzz list); do \
	  echo "fuzzing $$target for $(FUZZ_SECONDS) s"; mkdir -p fuzz/target/found/$$target; \
	  cargo fuzz run -s $(SANITIZER) $$target fuzz/target/found/$$target fuzz/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=10000 -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
	    2>&1 | tee fuzz/target/found/$$target.log | sed -n '/number_of_exec\|panicked\|ERROR\|SUMMARY/p' \
	    || { tail -n 60 fuzz/target/found/$$target.log; exit 1; }; \
	done

macos: tools ## check that the macOS parts compile; nothing is run
	tests/check_macos.sh

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

clean: ## remove what was built, the real clients included
	cargo clean
	rm -rf "$(VENV)" "$(JS_CLIENTS)" "$(CLIENTS)" dist

venv: tools ## the Python environment of the real clients
	@python3 tests/clients/make_venv.py "$(VENV)"

clients: venv node aws-cli-2 rust-client go-client java-client ## every real client that this machine can run

node: tools ## the JavaScript packages of the real clients, where there is Node; as root on Debian, install that
	@$(call debian,node npm,nodejs npm)
	@python3 tests/clients/make_node.py "$(JS_CLIENTS)"

aws-cli-2: tools # version 1 is in the Python environment, before all others
	@for aws in $$(type -ap aws); do "$$aws" --version 2>&1 | grep -q '^aws-cli/2' && exit; done; $(call debian,aws-cli-2,awscli)

rust-client: tools
	@python3 tests/clients/make_client.py rust "$(CLIENTS)/rust"

go-client: tools
	@$(call debian,go,golang-go)
	@python3 tests/clients/make_client.py go "$(CLIENTS)/go"

java-client: tools
	@$(call debian,java javac mvn,default-jdk-headless maven)
	@python3 tests/clients/make_client.py java "$(CLIENTS)/java"

shells: ## as root on Debian, install the shells and other programs without which some tests are skipped
	@missing=; \
	for name in zsh fish mandoc groff strace systemd-analyze; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq; missing=$${missing/groff/groff-base}; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $${missing/systemd-analyze/systemd} >/dev/null; \
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
