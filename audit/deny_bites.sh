#!/bin/bash
# Shows that audit/deny.toml refuses what it is meant to refuse: small packages, each with one thing wrong, without a network.
# A package with nothing wrong comes first, so that a refusal is known to be for its own reason.
set -eu
config=$(cd "$(dirname "$0")" && pwd)/deny.toml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_NET_OFFLINE=true

# package DIRECTORY NAME LICENCE: a library, to which more of the manifest is appended from standard input.
package() {
	mkdir -p "$work/$1/src"
	: >"$work/$1/src/lib.rs"
	printf '[package]\nname = "%s"\nversion = "1.0.0"\nedition = "2024"\nlicense = "%s"\npublish = false\n' "$2" "$3" >"$work/$1/Cargo.toml"
	cat >>"$work/$1/Cargo.toml"
}

check() {
	cargo deny --offline --color never --manifest-path "$work/$1/Cargo.toml" --config "$config" check \
		--allow license-not-encountered --allow unmatched-skip licenses bans sources 2>&1
}

# refused DIRECTORY CODE
refused() {
	local said
	if said=$(check "$1"); then
		echo "audit/deny.toml lets $1 pass" >&2
		exit 1
	fi
	if [[ "$said" != *"error[$2]"* ]]; then
		printf 'audit/deny.toml refuses %s, and not as %s:\n%s\n' "$1" "$2" "$said" >&2
		exit 1
	fi
	echo "refused as it should be: $1 ($2)"
}

package dependency dependency MIT </dev/null
package sound sound Apache-2.0 <<'TOML'
[dependencies]
dependency = { path = "../dependency", version = "1" }
TOML
check sound >/dev/null || { echo "audit/deny.toml refuses a package with nothing wrong:" >&2; check sound >&2; exit 1; }

package licence licence GPL-3.0-only </dev/null
refused licence rejected

package no-licence no-licence "" </dev/null
refused no-licence unlicensed

package openssl-sys openssl-sys MIT </dev/null
package banned banned MIT <<'TOML'
[dependencies]
openssl-sys = { path = "../openssl-sys", version = "1" }
TOML
refused banned banned

package tokio tokio MIT <<'TOML'
[features]
default = []
sync = []
rt = []
TOML
package runtime runtime MIT <<'TOML'
[dependencies]
tokio = { path = "../tokio", version = "1", features = ["sync", "rt"] }
TOML
refused runtime exact-features-mismatch

package older dependency MIT </dev/null
sed -i 's/1\.0\.0/0.9.0/' "$work/older/Cargo.toml"
package twice twice MIT <<'TOML'
[dependencies]
dependency = { path = "../dependency", version = "1" }
older = { package = "dependency", path = "../older", version = "0.9" }
TOML
refused twice duplicate

package script script MIT <<'TOML'
build = "build.rs"
TOML
echo 'fn main() {}' >"$work/script/build.rs"
package scripted scripted MIT <<'TOML'
[dependencies]
script = { path = "../script", version = "1" }
TOML
refused scripted build-script-not-allowed

package git-source git-source MIT </dev/null
git -C "$work/git-source" init -q
git -C "$work/git-source" add .
git -C "$work/git-source" -c user.name=audit -c user.email=audit@localhost -c commit.gpgsign=false commit -q -m x
package from-git from-git MIT <<TOML
[dependencies]
git-source = { git = "file://$work/git-source", version = "1" }
TOML
# Fetched from the file system, which cargo counts as a network.
CARGO_NET_OFFLINE=false cargo generate-lockfile -q --manifest-path "$work/from-git/Cargo.toml"
refused from-git source-not-allowed
