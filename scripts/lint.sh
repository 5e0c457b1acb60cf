#!/usr/bin/env bash
# Format, lints, house rules (but for --without-tidy) and licences. Prints what is wrong, and one line at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets --locked --features genesis-mesh-server/echo -- -D warnings
[ "${1:-}" = --without-tidy ] || cargo run --quiet --locked --package xtask -- tidy
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --log-level error check
else
  echo "lint: cargo-deny is not installed, so licences and advisories were not checked (cargo install cargo-deny)"
fi
