#!/bin/sh
# Checks the types of the macOS build from any system. Nothing is linked, so that no SDK is needed; `ring`'s build script
# wants a C compiler even so, and gets one that makes empty objects.
#
# With the target installed (`rustup target add aarch64-apple-darwin`) rustup's compiler is used; else Debian's packages
# rustc-web, cargo-web and rust-web-src, whose standard library is checked from its sources.
set -eu
cd "$(dirname "$0")/.."
target=aarch64-apple-darwin
stand_in=$(mktemp -d)
trap 'rm -rf "$stand_in"' EXIT

cat > "$stand_in/cc" <<'CC'
#!/bin/sh
out=
while [ $# -gt 0 ]; do
  case $1 in -o) shift; out=$1 ;; -o*) out=${1#-o} ;; -E) exit 0 ;; esac
  shift
done
[ -z "$out" ] || : > "$out"
CC
cat > "$stand_in/ar" <<'AR'
#!/bin/sh
for argument; do case $argument in *.a) : > "$argument" ;; esac; done
AR
chmod +x "$stand_in/cc" "$stand_in/ar"
export CC_aarch64_apple_darwin="$stand_in/cc" AR_aarch64_apple_darwin="$stand_in/ar" SDKROOT=/

if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
  cargo check --locked --target "$target" --bin sentinel --target-dir "${CARGO_TARGET_DIR:-target}/macos"
  exit
fi
if [ ! -e /usr/lib/rustlib/src/rust/library/std ]; then
  packages="rustc-web cargo-web rust-web-src"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "no standard library for macOS: rustup target add $target, or install $packages (Debian's names)" >&2
    exit 1
  fi
  apt-get update -qq
  # shellcheck disable=SC2086 # three words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
fi
# RUSTC_BOOTSTRAP: -Z is for nightly compilers; here it only says that std is checked as well.
RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo check --locked -Zbuild-std=std,panic_abort \
  --target "$target" --bin sentinel --target-dir "${CARGO_TARGET_DIR:-target}/macos"
