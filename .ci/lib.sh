# shellcheck shell=bash
# Functions and paths that the scripts in .ci/ and images/ share.

# shellcheck disable=SC2034 # the scripts use these variables
script=$(realpath -- "$0")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A relative CARGO_TARGET_DIR is relative to the root directory.
target=$(cd "$root" && realpath -m -- "${CARGO_TARGET_DIR:-target}")

# .ci/setup installs `just`, `cargo-deny` and `kustomize` here. `cargo clean` removes them.
tools=$target/tools
export PATH="$tools/bin:$PATH"
command -v go >/dev/null || PATH="$PATH:/usr/local/go/bin"
command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

fail() {
  echo "error: $*" >&2
  exit 1
}

# Prints the script's synopsis, which is its fourth line.
usage() {
  sed -n '4s/^# */usage: /p' "$script" >&2
  exit 2
}

may_be_root() {
  [[ $(id -u) -eq 0 ]] || sudo -n true 2>/dev/null
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}
