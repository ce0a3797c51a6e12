# `make` lists the targets. Go is all that `dev` and `build` need; `make deps`
# installs what the tests need besides.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# The proxy serves this one; it is run and not required, so that go.mod has only
# what the product uses.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# A package that needs longer than this hangs. Packages run side by side, as many
# as there are processors: each has a database server of its own.
TEST_TIMEOUT ?= 19m
# SQLite is C that was translated: the race detector and checkptr, of which our own
# code has the whole, would take most of the tests' time there.
UNWATCHED = 'modernc.org/...=-race=false -d=checkptr=0'
FUZZTIME ?= 10s
DURATION ?= 10m

.PHONY: help dev build deps proxies test soak bench lint fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

dev: ## run everything on this machine: server, demo identity provider, demo API and app
	CGO_ENABLED=0 go run ./cmd/watchgate dev $(ARGS)

build: ## build the static binary bin/watchgate
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/watchgate ./cmd/watchgate

deps: ## install what the tests need: PostgreSQL, Chromium, Node.js, a C compiler, nginx, Caddy
	@scripts/deps.sh

proxies: ## fetch Envoy and Traefik too, so that the tests run their configurations
	@scripts/deps.sh proxies

test: deps ## run everything: both databases, the browser, the race detector; fuzz the key parser
	@scripts/format.sh
	go vet ./...
	CGO_ENABLED=1 go test -race -gcflags=$(UNWATCHED) -timeout $(TEST_TIMEOUT) ./...
	go test ./internal/token -run '^$$' -fuzz '^FuzzParseKey$$' -fuzztime 5s

soak: deps ## the linearizability test with its faults, for DURATION (10m); WATCHGATE_SEED=n repeats one
	WATCHGATE_SOAK=$(DURATION) CGO_ENABLED=1 go test -race -count=1 -timeout 0 -v -run 'TestLinearizable|TestNodeThatWas' ./internal/e2e

bench: deps ## measure, each figure beside a baseline of the same run; writes bench.json
	CGO_ENABLED=0 go run ./internal/bench $(ARGS)

lint: ## go vet, gofmt and staticcheck; golangci-lint too where it is installed
	@scripts/format.sh
	go vet ./...
	go run $(STATICCHECK) ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; fi

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

clean: ## remove what was built and measured; data/ stays
	rm -rf bin bench.json internal/npmtest/node_modules
