# Every task under one name. Each installs what it needs and this machine lacks.
SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
# Arguments of the program that a task starts: make run ARGS="--port 9000"
ARGS ?=

.PHONY: help run test bench bench-serve bench-graph bench-store lint

help: ## Lists the tasks
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: ## Starts the server; the first start builds it and fetches the model
	@scripts/setup.sh run
	@cargo run --release --locked -- $(ARGS)

test: ## Builds, lints and tests everything, also with official clients
	@scripts/test.sh

bench: ## Measures the engine: make bench ARGS="--against PATH"
	@scripts/setup.sh bench
	@cargo xtask bench local $(ARGS)

bench-serve: ## Measures the server beside FastAPI
	@scripts/setup.sh bench
	@cargo xtask bench serve $(ARGS)

bench-graph: ## Measures graphs beside LangGraph
	@scripts/setup.sh graphs
	@cargo xtask bench graph $(ARGS)

bench-store: ## Measures what keeping runs costs, beside LangGraph
	@scripts/setup.sh test
	@cargo xtask bench store $(ARGS)

lint: ## Checks format, lints, the house rules and the licences
	@scripts/setup.sh lint
	@scripts/lint.sh
