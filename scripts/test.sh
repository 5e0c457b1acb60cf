#!/usr/bin/env bash
# Builds, lints and tests everything: the whole of `make test`.
# Quiet unless something fails; every step's output is kept under target/test-logs.
# A test that is skipped is an error when CI=true, and is counted aloud everywhere else.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
logs=target/test-logs
rm -rf "$logs" && mkdir -p "$logs" || exit 1
failed_steps=()

# Runs step $1 with the command that follows; shows its output only if it fails.
step() {
  local name="$1" start="$SECONDS"
  shift
  printf '%-8s ' "$name"
  if "$@" >"$logs/$name.log" 2>&1; then
    printf 'ok, %s s\n' "$((SECONDS - start))"
  else
    printf 'FAILED, %s s: %s\n' "$((SECONDS - start))" "$*"
    cat "$logs/$name.log"
    failed_steps+=("$name")
    return 1
  fi
}

# The sum of the numbers before word $2 in the lines of file $1 that sum up a run of tests.
count() {
  grep -E "$3" "$1" 2>/dev/null | grep -oE "[0-9]+ $2" | awk '{ sum += $1 } END { print sum + 0 }'
}

# One build of all targets: commands for one package would build its dependencies again with other features.
target="${CARGO_TARGET_DIR:-$PWD/target}"
scripts/setup.sh test || exit 1
# The echo is for the conformance tests of the WebSocket layer; a release has none.
step build cargo build --quiet --workspace --all-targets --locked --features genesis-mesh-server/echo || exit 1
step model "$target/debug/xtask" model || exit 1
GENESIS_MESH_TEST_MODEL="$(tail -n 1 "$logs/model.log")"
GENESIS_MESH_BIN="$target/debug/genesis-mesh"
export GENESIS_MESH_TEST_MODEL GENESIS_MESH_BIN

step rust cargo test --workspace --locked --no-fail-fast --features genesis-mesh-server/echo
# The house rules are a test of xtask, which has run by now.
step lint scripts/lint.sh --without-tidy
# Everything is killed, again and again, and nothing may be lost or done twice. More seeds: `cargo xtask chaos --help`.
chaos() {
  "$target/debug/xtask" chaos --program "$target/debug/examples/chaos" --seconds 8 "$@"
}
step chaos-sqlite chaos --store sqlite --seed 1
step chaos-postgres chaos --store postgres --seed 2 --seeds 2
GENESIS_MESH_DIFFERENTIAL="$target/debug/examples/differential"
export GENESIS_MESH_DIFFERENTIAL
step graphs .venv-langgraph/bin/python -m pytest tests/differential --quiet -r fEs
step clients .venv/bin/python -m pytest tests/clients --quiet -r fEs

passed=0 failed=0 skipped=0
# Adds and prints what log $1 counts: passed, failed and, under the word $2, skipped.
sum_up() {
  local log="$logs/$1.log" lines="$3"
  local ok bad left
  ok="$(count "$log" passed "$lines")"
  bad=$(($(count "$log" failed "$lines") + $(count "$log" 'errors?' "$lines")))
  left="$(count "$log" "$2" "$lines")"
  printf '%s: %s passed, %s failed, %s skipped\n' "$1" "$ok" "$bad" "$left"
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + left))
}
sum_up rust ignored '^test result: '
sum_up graphs skipped '^=*[0-9, a-z]* in [0-9.]+'
sum_up clients skipped '^=*[0-9, a-z]* in [0-9.]+'
grep -hE '^SKIPPED|\.\.\. ignored' "$logs"/rust.log "$logs"/graphs.log "$logs"/clients.log 2>/dev/null
if [ "$passed" -eq 0 ]; then failed_steps+=("no test ran"); fi
if [ "$skipped" -gt 0 ] && [ "${CI:-}" = true ]; then failed_steps+=("skipped tests"); fi
if [ "${#failed_steps[@]}" -gt 0 ]; then printf 'failed: %s\n' "${failed_steps[*]}"; fi
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "${#failed_steps[@]}" -eq 0 ] && [ "$failed" -eq 0 ]
