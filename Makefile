# Everything about webim starts here. `make help` lists the targets.

FUZZTIME ?= 30s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0

# One static program each: what is built here runs on any Linux of this processor.
GOBUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=auto
# The packages' tests wait more than they compute, so four packages run at a time. A test program with the
# race detector sleeps at its end, so that other threads can report a race: 100 ms instead of a second.
# make lint vets the packages, so the tests do not.
RACE    := -race -vet=off -count=1 -p 4
GOTEST  := GORACE=atexit_sleep_ms=100 go test $(RACE)
# Test programs, and programs that tests build, have no information for debuggers: a fifth of what linking them takes.
LINK     = $(strip $(shell go env GOFLAGS) -ldflags=-w)
# What allocates is measured without the race detector, in the packages that have such tests.
ALLOCS  = CGO_ENABLED=0 go test -vet=off -count=1 -run Allocates $$(grep -rl --include=*_test.go 'Allocates.*testing\.T' netpoll room | xargs -n 1 dirname | sort -u | sed 's|^|./|')
# One or two tests that fail are run once more by themselves, and named at the end: hundreds of tests with sockets and
# clocks share a busy machine. A data race, a panic, a leak and a third failure are never excused.
RERUN   := --format standard-quiet --rerun-fails=1 --rerun-fails-max-failures=2 --rerun-fails-abort-on-data-race

.PHONY: help run cluster build peers bench million chaos test test-long sdk-python release release-check lint fuzz cover vendor rename docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build webim and serve on this machine only, for trying it out; what is said stays in .webim
	$(GOBUILD) -o bin/webim ./cmd/webim
	bin/webim serve --dev --data .webim

cluster: build ## serve on three nodes and a NATS server of this machine, for trying it out; messages stay in .webim-cluster
	bin/webim-bench cluster

build: ## build bin/webim and bin/webim-bench
	$(GOBUILD) -o bin/ ./cmd/...

peers: ## build the servers of others that webim is compared with, in bin/peers
	$(GOBUILD) -o bin/ ./cmd/webim-bench
	bin/webim-bench peers build

bench: build ## compare webim with its peers, in under 45 minutes; BENCH=quick: with five, in under 5
	bin/webim-bench suite $(if $(filter quick,$(BENCH)),--quick)

CLIENTS ?= 1000000
PING    ?= 10m

million: build ## hold CLIENTS (1000000) idle clients of one room on this machine, pinged every PING (10m), in about 10 minutes
	WEBIM_PING_INTERVAL=$(PING) bin/webim-bench million --clients $(CLIENTS) --json bin/million.json --html bin/million.html
	@echo "the report: bin/million.html"

FOR  ?= 60s
SEED ?= 0

chaos: build ## kill, pause and separate three webim and three NATS processes for FOR (60s), and check every record; SEED=N repeats a run; then cut the power of a store
	$(GOBUILD) -tags chaos -o bin/chaos/webim ./cmd/webim
	$(GOBUILD) -o bin/chaos/nats-server github.com/nats-io/nats-server/v2
	bin/webim-bench chaos --for $(FOR) --seed $(SEED)
	@.ci/powercut go test -count=1

test: ## all tests, browser included, under the race detector: about 10 minutes on two cores
	@.ci/needs gcc chromium-headless-shell node nginx haproxy caddy systemd-analyze
	GORACE=atexit_sleep_ms=100 GOFLAGS='$(LINK)' go run $(GOTESTSUM) $(RERUN) --packages=./... -- $(RACE) -timeout 40m
	$(ALLOCS)

test-long: ## the same tests at full size
	@.ci/needs gcc chromium-headless-shell node nginx haproxy caddy systemd-analyze promtool qemu-aarch64-static
	WEBIM_LONG=1 $(GOTEST) -timeout 3h ./...
	$(ALLOCS)
	cd bench/peers && $(GOTEST) ./kit
	cd cmd/webim/deploy/testdata/check && go test -count=1 -timeout 30m ./...
	@.ci/release-check
	WEBIM_LONG=1 .ci/powercut env $(GOTEST) -timeout 1h

release: ## build what is published of a version in bin/release: programs, Debian packages, bills of materials, sums
	@.ci/release

release-check: ## build the commit twice as make release does, and compare
	@.ci/release-check

sdk-python: build ## run the Python SDK's own tests against webim: make sdk-python SDK=FOLDER
	@.ci/sdk-python $(SDK)

lint: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l .); test -z "$$files" || { echo "run gofmt -w on:" $$files; exit 1; }
	for module in . bench/peers bench/powercut cmd/webim/deploy/testdata/check; do (cd $$module && go vet ./... && go run $(STATICCHECK) ./...) || exit 1; done

fuzz: ## run each fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME)

cover: ## what the tests reach, in bin/coverage.html
	@.ci/needs chromium-headless-shell node nginx haproxy caddy systemd-analyze
	@mkdir -p bin
	go test -count=1 -coverpkg=./... -coverprofile=bin/coverage.out ./...
	go tool cover -html=bin/coverage.out -o bin/coverage.html
	@go tool cover -func=bin/coverage.out | tail -n 1

vendor: ## fetch again what the pages carry of others, and say what has changed
	@.ci/vendor

docs: ## write the generated parts of the manual, and its pages: see web/docs/contributing.md
	go test -count=1 -run '^TestManualHasAll(Settings|Methods|Calls|Metrics)$$' ./cmd/webim ./room/api ./room/chat -args -update
	go run ./web/docgen web/docs

rename: ## give the module the path MODULE, as example.org/me/webim
	@.ci/rename "$(MODULE)"

clean: ## remove what the other targets made
	rm -rf bin bench/peers/node/node_modules bench/peers/uws/node_modules
