#!/usr/bin/env bash
# What a dev container does on every start: builds the environment and checks the format. Quick if nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$HOME/.cargo/bin:$PATH"

scripts/setup.sh test
cargo build --quiet --workspace --all-targets --locked
cargo fmt --all --check
