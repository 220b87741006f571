#!/bin/bash
# Builds dist/sentinel, a static-pie program for Linux that needs no file but itself, and checks it. `make static` runs this.
#
#   build/static.sh [rustup|debian]     without a word: the first way that works
#
# rustup   rustc's own musl target (musl 1.2.5), added with rustup where it is missing
# debian   Debian's compiler and musl (1.2.3: its resolver has no DNS over TCP), with a standard library built from source
set -euo pipefail
cd "$(dirname "$0")/.."

way=${1:-}
max_bytes=4000000
result=dist/sentinel
machine=$(uname -m)
target=$machine-unknown-linux-musl
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")

fail() {
  echo "make static: $*" >&2
  exit 1
}

# Debian's packages, if a command or file that they bring is missing: installed as root, asked for otherwise.
need_packages() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -o DPkg::Lock::Timeout=600 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@" >/dev/null
  else
    fail "these packages are missing (Debian's names): $*; install them and run make again"
  fi
}

# Whether all of these commands are there.
has() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null || return 1; done
}

has_rustup_target() {
  command -v cargo >/dev/null || return 1
  [ -d "$(rustc --print target-libdir --target "$target")" ] && return 0
  # A mirror that does not have the target must not hold the build up.
  command -v rustup >/dev/null && timeout 180 rustup target add "$target"
}

# Flags for the compiler. No path of this machine gets into the program, so that two machines build the same bytes.
# And no tables for unwinding, which would be 290 KB: a panic aborts. GNU ld leaves them out.
flags=(
  -Cforce-unwind-tables=no
  -Clink-arg=-fuse-ld=bfd
  -Clink-arg=-Wl,-T,build/no-unwinding.ld,--no-eh-frame-hdr
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  "--remap-path-prefix=$target_dir=/target"
  "--remap-path-prefix=$PWD=/sentinel"
)

# rustup's musl (1.2.5) reads relocations in their packed form, which is a tenth as long; Debian's (1.2.3) does not.
build_with_rustup() {
  flags+=("-Clink-arg=-Wl,-z,pack-relative-relocs")
  compile cargo --target-dir "$target_dir"
}

# The compiler knows the target but Debian has no standard library for it, so cargo builds one. A directory stands in for
# what rustup would bring along: musl's start files and libc, gcc's frame files, and, for panics, an unwinder that finds
# no frames: the program is stripped, and a panic aborts.
build_with_debian() {
  local sysroot=$target_dir/debian/sysroot libc=/usr/lib/$machine-linux-musl file
  local own=$sysroot/lib/rustlib/$target/lib/self-contained
  mkdir -p "$own"
  for file in rcrt1.o crt1.o crti.o crtn.o Scrt1.o libc.a; do ln -sf "$libc/$file" "$own/"; done
  for file in crtbegin.o crtbeginS.o crtend.o crtendS.o; do ln -sf "$(gcc -print-file-name=$file)" "$own/"; done
  gcc -O2 -fPIE -x c -c -o "$own/unwind.o" - <<<'
    int _Unwind_Backtrace(void *visit, void *context) { (void)visit; (void)context; return 5; /* the end of the stack */ }
    unsigned long _Unwind_GetIP(void *context) { (void)context; return 0; }'
  rm -f "$own/libunwind.a"
  ar crs "$own/libunwind.a" "$own/unwind.o"
  flags+=("--remap-path-prefix=/usr/lib/rustlib/src/rust=/rust" "--sysroot=$sysroot" "-Clinker=gcc")
  # -Zbuild-std is not a stable option; RUSTC_BOOTSTRAP lets a stable compiler take it.
  # A directory of its own: the two compilers must not make each other build everything again.
  RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc \
    compile /usr/bin/cargo -Zbuild-std=std,panic_abort -Zbuild-std-features= --target-dir "$target_dir/debian"
}

# Runs this cargo with these options and leaves the program in $built. Optimised as a whole, it is 5 % smaller.
compile() {
  local cargo=$1 encoded
  shift
  encoded=$(IFS=$'\x1f'; echo "${flags[*]}")
  built=$(env "CC_${target//-/_}=musl-gcc" CARGO_ENCODED_RUSTFLAGS="$encoded" CARGO_PROFILE_RELEASE_LTO=fat \
    "$cargo" build --release --locked --bin sentinel --target "$target" --message-format=json-render-diagnostics "$@" |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
  [ -x "$built" ] || fail "cargo named no program"
}

check() {
  local headers dynamic bytes path root
  headers=$(LC_ALL=C readelf -hlW "$result")
  dynamic=$(LC_ALL=C readelf -dW "$result")
  grep -q 'Type: *DYN' <<<"$headers" || fail "$result is not position-independent"
  ! grep -q INTERP <<<"$headers" || fail "$result asks for an interpreter"
  ! grep -q NEEDED <<<"$dynamic" || fail "$result needs shared libraries: $dynamic"
  grep -q 'FLAGS_1.*PIE' <<<"$dynamic" || fail "$result is not marked as position-independent"
  ! LC_ALL=C readelf -SW "$result" | grep -q '[.]gcc_except_table' || fail "$result has tables for unwinding"

  bytes=$(stat -c %s "$result")
  [ "$bytes" -le $max_bytes ] || fail "$result has $bytes bytes, and $max_bytes are allowed"

  # With a slash, so that /root does not find /rootfs.
  for path in "${HOME%/}/" "$PWD/" "$target_dir/"; do
    [ "$path" = / ] || ! strings -a "$result" | grep -F -- "$path" || fail "$result names $path (above)"
  done

  root=$(mktemp -d)
  cp "$result" "$root/"
  if [ "$(id -u)" = 0 ]; then
    version=$(chroot "$root" /sentinel version) || fail "$result does not run in an empty root directory"
  elif unshare --user --map-root-user true 2>/dev/null; then
    version=$(unshare --user --map-root-user chroot "$root" /sentinel version) ||
      fail "$result does not run in an empty root directory"
  else
    echo "make static: not run in an empty root directory, which takes root or user namespaces" >&2
    version=$("$result" version)
  fi
  rm -r "$root"
}

[ "$(uname -s)" = Linux ] || fail "the static program is built on Linux"
if [ -z "$way" ]; then
  if has_rustup_target; then way=rustup; else way=debian; fi
fi
case $way in
  rustup)
    has_rustup_target || fail "rustup has no $target"
    has musl-gcc readelf strings ld.bfd || need_packages musl-tools binutils
    ;;
  debian)
    [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust ] && has musl-gcc gcc readelf strings ld.bfd ||
      need_packages rustc-web cargo-web rust-web-src musl-tools gcc
    ;;
  *) fail "there is no way \`$way\`: rustup or debian" ;;
esac
echo "building $target, the $way way"
"build_with_$way"
install -D -m 755 "$built" "$result"
check
echo "$version, static-pie, $(stat -c %s "$result") bytes, sha256 $(sha256sum "$result" | cut -d' ' -f1)"
echo "$PWD/$result"
