# Targets a person types. `make` alone lists them.
SHELL := /bin/bash
GO ?= go
TOOL := $(GO) tool -modfile=tools.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export GOFLAGS ?= -trimpath

.PHONY: help build test race lint generate check dev bench proof daemons mutants fuzz setup

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/roster
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o bin/roster ./cmd/roster

setup: ## as root: install the Debian packages that real-daemon tests need
	@scripts/install-test-daemons.sh

test: setup ## every test, real daemons included where they are installed
	@scripts/test.sh

race: ## every test under the race detector
	@scripts/test.sh -race

lint: ## formatter, vet, linters, proto lint
	@scripts/lint.sh

generate: ## Go, the JSON gateway and OpenAPI from proto/
	$(TOOL) buf generate
	$(TOOL) buf generate --template buf.gen.http.yaml

check: lint test ## what a commit must pass

dev: ## a whole cluster in one process, drawn live
	$(GO) run ./cmd/roster dev

bench: ## figures for docs/: deciding, writes, failover, fan-out; prints the machine
	@scripts/bench.sh

proof: ## the transitions of all ordered pairs, judged from outside
	@scripts/proof.sh

daemons: ## real Dovecot and Postfix under real members and agents
	@scripts/daemons.sh

mutants: ## break each safety rule on purpose; its test must turn red
	@scripts/mutants.sh

fuzz: ## fuzz each target for FUZZTIME (default 30s)
	@scripts/fuzz.sh
