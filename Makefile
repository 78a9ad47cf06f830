# The gate is .ci/run; each of its parts is a target here.
.DEFAULT_GOAL := help

MODULES  := $(sort $(patsubst %/go.mod,%,$(wildcard .ci/*/go.mod audit/access/*/go.mod export/archive/*/go.mod)))
FUZZTIME ?= 10s
BENCH    ?=

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: test
test: ## run the tests: needs Go alone, takes less than 10 minutes
	go test -timeout 8m ./...

.PHONY: race
race: ## run the tests of the workspace with the race detector (needs a C compiler)
	go test -race -timeout 20m work

.PHONY: standalone
standalone: ## run the tests as a user of the module gets it: without go.work
	GOWORK=off go test -timeout 8m ./...

.PHONY: lint
lint: fmt vet staticcheck ## gofmt, go vet and staticcheck

.PHONY: fmt
fmt: ## fail when gofmt would change a file
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "gofmt would change:"; echo "$$files"; exit 1; }

.PHONY: vet
vet: ## go vet on the workspace
	go vet work

.PHONY: vet-platforms
vet-platforms: ## go vet for darwin, windows and 32 bits
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...
	GOOS=linux GOARCH=386 go vet ./...

.PHONY: staticcheck
staticcheck: .bin/staticcheck ## staticcheck, in the version that .ci/lint pins
	GOWORK=off .bin/staticcheck -checks inherit,ST1000,ST1016,ST1019,ST1020,ST1021,ST1022 ./...

.bin/staticcheck: .ci/lint/go.mod .ci/lint/go.sum
	GOWORK=off go -C .ci/lint build -o ../../$@ honnef.co/go/tools/cmd/staticcheck

.PHONY: tidy
tidy: ## fail when a go.mod is not what go mod tidy would write
	GOWORK=off go mod tidy -diff
	@for m in $(MODULES); do echo "$$m: go mod tidy -diff"; GOWORK=off go -C $$m mod tidy -diff || exit 1; done

.PHONY: modules
modules: ## vet and test the modules of their own, each alone
	@for m in $(MODULES); do \
		test -n "$$(find $$m -name '*.go' | head -n 1)" || continue; \
		echo "$$m:"; GOWORK=off go -C $$m vet ./... && GOWORK=off go -C $$m test -count=1 ./... || exit 1; \
	done

# What go test -v prints, without the names of what runs and passes.
FIGURES := awk '/^ *(=== |--- PASS)/ { next } /^FAIL|--- FAIL/ { bad = 1 } { print } END { exit bad }'

.PHONY: reliability
reliability: faults ## kills, power cuts, faults, full disks, a soak and 100,000 random queries, in full: some 12 minutes
	@go test -count=1 -v -timeout 20m ./internal/journal -reliability 2>&1 | $(FIGURES)
	@go test -count=1 -v -timeout 20m ./audit -run 'TestEvery|TestNothing|TestAttacks|TestPowerCuts|TestKills' -kills 100 2>&1 | $(FIGURES)
	go test -count=1 -timeout 20m ./query -queries 100000
	@GOWORK=off go -C .ci/reliability test -count=1 -v -timeout 20m . -kills 1000 -engine-kills 60 -soak 60s 2>&1 | $(FIGURES)

.PHONY: faults
faults: ## seed one fault at a time into a copy of the tree: the tests must catch each
	GOWORK=off go -C .ci/faults run .

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

.PHONY: requirements
requirements: ## run the tests and list the requirements that none proves yet
	go test -json -timeout 8m ./... | GOWORK=off go -C .ci/requirements run .

.PHONY: bench
bench: ## cost per call and per query beside other libraries; BENCH="-help" lists the flags
	GOWORK=off go -C .ci/bench run . $(BENCH)

.PHONY: bench-audit
bench-audit: ## durable audit records a second beside plain NDJSON and Tessera; verifying a million
	GOWORK=off go -C .ci/audit test -count=1 -v -run 'TestMeasure|TestVerifyMillion' -measure 1s .

.PHONY: bench-query
bench-query: ## ten queries over four million workflow records, beside SQLite, DuckDB, ripgrep; BENCH="-dir DIR" keeps the folder
	GOWORK=off go -C .ci/bench run ./query $(BENCH)

.PHONY: bench-http
bench-http: ## the HTTP API under load over a million records, some 3 minutes; BENCH="-for 10s" for less
	GOWORK=off go -C .ci/bench run ./http $(BENCH)

.PHONY: bench-packages
bench-packages: ## the packages' own benchmarks, each beside the code it measures
	go test -run '^$$' -bench . ./...

.PHONY: example
example: ## run the example engine
	go run ./examples/engine
