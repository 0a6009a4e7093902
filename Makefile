# Gatehouse. `make` alone lists the targets.

export GOTOOLCHAIN := auto
FUZZTIME ?= 30s
RUNS     ?= 1
COUNT    ?= 5
DURATION ?= 20m

.DEFAULT_GOAL := help
.PHONY: help run build test check fuzz conformance bench soak storm

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start a protected demo server on 127.0.0.1:8080 (needs Go only)
	CGO_ENABLED=0 go run ./cmd/gatehouse up --demo $(ARGS)

build: ## build bin/gatehouse, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/gatehouse ./cmd/gatehouse

test: ## install what the tests need, then run them all under the race detector
	scripts/setup test
	CGO_ENABLED=0 go vet -trimpath ./... # as the tests build the program that is released: what is compiled here is there then
	scripts/test -vet=off ./...

check: ## format, vet, staticcheck, golangci-lint
	scripts/setup check
	scripts/check

fuzz: ## run every fuzz target for FUZZTIME (30s)
	scripts/fuzz $(FUZZTIME)

conformance: ## the official conformance suite, direct and through Gatehouse, RUNS times (1)
	scripts/setup test
	CI=true CONFORMANCE_RUNS=$(RUNS) go test -count=1 -timeout 60m -v -run '^TestConformance' ./internal/e2e

bench: ## compare with other proxies, authorization servers and bridges; prints tables
	scripts/setup bench
	go run ./bench

soak: ## everything at once, under a seeded plan of faults, for DURATION (20m); RACE=1, ARGS=-h
	GATEHOUSE_LONG=1 go test ./internal/grant ./internal/server -run 'TestA003|TestA063' -timeout 2h
	go run ./soak -duration $(DURATION) $(if $(RACE),-race) $(ARGS)

storm: ## repeat the tests that race, crash and crowd, COUNT times (5)
	GATEHOUSE_LONG=1 scripts/test -timeout 60m -count=$(COUNT) -run 'A162|A172|A203|A205|A206|A215|Race|Concurrent|Storm|Flood|AtOnce|Survive|Crash|Many|Kill|Orphan|SQLite' ./internal/...
