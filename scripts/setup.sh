#!/usr/bin/env bash
# Installs what a task needs and this machine lacks: scripts/setup.sh run|test|bench|graphs|lint
# On Debian and Ubuntu by apt-get, with sudo unless root; elsewhere it says what is missing and stops.
# Says nothing if nothing is missing. Run it as often as you like.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
task="${1:?usage: scripts/setup.sh run|test|bench|graphs|lint}"
export PATH="$HOME/.cargo/bin:$PATH"
case "$task" in run | test | bench | graphs | lint) ;; *) echo "setup: unknown task: $task" >&2; exit 1 ;; esac

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
# Whether version $1 is at most version $2.
at_most() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# --- Debian's packages -------------------------------------------------------------------------

is_debian() {
  has apt-get && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif has sudo; then sudo "$@"; else
    stop "run this as root, or install sudo: $*"
  fi
}

# Runs apt-get with these arguments, quietly; its whole output is shown if it fails.
apt() {
  local log; log="$(mktemp)"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1; then
    cat "$log" >&2
    stop "apt-get $* failed"
  fi
  rm -f "$log"
}

# A new machine has no package lists, an old one has old lists: read them once before they are used.
is_updated=
apt_update() { [ -n "$is_updated" ] || { apt update; is_updated=1; }; }

apt_install() {
  is_debian || stop "this machine lacks what Debian calls: $*. Install that and run this again."
  say "installing $*"
  apt_update
  apt install -y --no-install-recommends "$@"
}

# The version that apt would install of package $1, without Debian's suffix; empty if none.
apt_version() {
  is_debian && has apt-cache || return 0
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9][0-9.]*\).*/\1/p'
}

has_browser() { { has chromium || has google-chrome; } && has chromedriver; }

# Tests want PostgreSQL's programs; without this file Debian's package would also make a cluster and start it.
need_postgresql() {
  missing+=(postgresql)
  is_debian || return 0
  if ! [ -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
}

ensure_packages() {
  local missing=()
  # The linker, and the C library's start files that it links.
  has cc || missing+=(gcc libc6-dev)
  has python3 || missing+=(python3)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  if [ "$task" != run ]; then
    has git || missing+=(git)
    python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing+=(python3-venv)
  fi
  if [ "$task" = test ]; then
    has slowhttptest || missing+=(slowhttptest)
    # Tests make clusters of their own, as another user if this one is root.
    has setpriv || missing+=(util-linux)
    has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need_postgresql
    if ! has_browser && is_debian; then
      # Ubuntu has Chromium as a snap only, which no container runs: ensure_browser sees to that.
      apt_update
      [ -z "$(apt_version chromium)" ] || missing+=(chromium chromium-driver)
    fi
  fi
  if [ "$task" = bench ]; then
    # llama.cpp is built from source.
    has c++ || missing+=(g++)
    has cmake || missing+=(cmake)
  fi
  [ "${#missing[@]}" -eq 0 ] || apt_install "${missing[@]}"
}

# --- Rust --------------------------------------------------------------------------------------

pinned="$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)"

ensure_toolchain() {
  if cargo --version >/dev/null 2>&1; then return; fi
  say "installing the Rust toolchain $pinned"
  rustup toolchain install "$pinned" --profile minimal --component rustfmt --component clippy >&2 ||
    stop "rustup could not install Rust $pinned: check the network, then run this again"
}

ensure_rust() {
  if has rustup; then
    ensure_toolchain
  elif has cargo && at_most "$pinned" "$(cargo --version | cut -d ' ' -f 2)"; then
    : # A newer Rust of the system's own.
  else
    if is_debian; then apt_update; fi
    local offered; offered="$(apt_version rustc)"
    if [ -n "$offered" ] && at_most "$pinned" "$offered"; then
      apt_install cargo rustfmt rust-clippy
    elif [ -n "$(apt_version rustup)" ]; then
      apt_install rustup
      ensure_toolchain
    else
      say "Rust $pinned or newer is missing, and this system offers ${offered:-none}."
      say "Install rustup, with your package manager or as https://rustup.rs says:"
      say "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
      stop "then run this again; rustup fetches Rust $pinned by itself"
    fi
  fi
  case "$task" in test | lint) ensure_components ;; esac
}

ensure_components() {
  if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then return; fi
  if has rustup; then rustup component add rustfmt clippy >&2; else apt_install rustfmt rust-clippy; fi
}

# --- Python ------------------------------------------------------------------------------------

# Makes the virtual environment $1 hold what file $2 lists; made anew when the list changes.
ensure_venv() {
  local venv="$1" list="$2" stamp
  stamp="$(python3 --version) $(cksum <"$list")"
  if [ "$(cat "$venv/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  say "installing $list into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$list" >&2
  printf '%s\n' "$stamp" >"$venv/stamp"
}

# --- Node and the browser of the tests -----------------------------------------------------------

# Makes tests/clients-node/node_modules hold what the lock file lists. Node itself is a pinned Python package: systems
# offer what is older than the clients want.
ensure_node_modules() {
  local home=tests/clients-node bin="$PWD/.venv/bin" stamp
  stamp="$(cksum <"$home/package-lock.json") $(cksum <.venv/stamp)"
  if [ "$(cat "$home/node_modules/.stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  say "installing $home/package-lock.json"
  PATH="$bin:$PATH" npm --prefix "$home" ci --loglevel=error >&2
  printf '%s\n' "$stamp" >"$home/node_modules/.stamp"
}

# Where the system has no package of a browser, Selenium's own tool fetches one, with its driver, into the user's cache.
ensure_browser() {
  if has_browser; then return; fi
  local found="$PWD/.venv/browser"
  if [ -s "$found" ]; then return; fi
  say "fetching a browser for the tests"
  "$(.venv/bin/python -c 'import selenium.webdriver.common.selenium_manager as m; print(m.SeleniumManager._get_binary())')" \
    --browser chrome --force-browser-download --output json >"$found.new" ||
    stop "no Chromium is installed and none could be fetched: install chromium and chromedriver, then run this again"
  mv "$found.new" "$found"
}

ensure_packages
ensure_rust
case "$task" in
  test)
    ensure_venv .venv tests/clients/requirements.txt
    ensure_venv .venv-langgraph tests/differential/requirements.txt
    ensure_node_modules
    ensure_browser
    ;;
  bench) ensure_venv .venv-bench scripts/bench-requirements.txt ;;
  graphs) ensure_venv .venv-langgraph tests/differential/requirements.txt ;;
esac
