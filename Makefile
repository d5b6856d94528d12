# Governor. `make help` lists what can be made.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VERSION ?= 0.1.0
BIN := $(CURDIR)/bin
TOOLS := $(CURDIR)/.tools
LDFLAGS := -s -w -X main.version=$(VERSION)
# go.sum is complete: no build asks a checksum database. VCS stamping needs git and is not used.
export GOFLAGS := -buildvcs=false
ENGINE := $(TOOLS)/engine --
COMPONENTS := receiver/jaegerreceiver receiver/dockerstatsreceiver processor/guidroutingprocessor exporter/cpucontrolexporter extension/containerlifecycleextension

SCENARIO ?= two-core
DEMO_SECONDS ?= 20

##@ The two commands
.PHONY: demo
demo: build engine ## The experiment on real Docker; SCENARIO=two-core|shared-core|limited|all, DEMO_SECONDS=20
	$(ENGINE) $(BIN)/governor demo --scenario $(SCENARIO) --seconds $(DEMO_SECONDS) --workload $(BIN)/workload --out out/demo

.PHONY: test
test: lint generated test-all ## Everything: format, vet, staticcheck, generated files, all tests with the race detector on real Docker

##@ Building
.PHONY: build
build: ## bin/governor and bin/workload, static and stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/governor ./cmd/governor
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/workload ./cmd/workload

.PHONY: ocb
ocb: tools ## A distribution from builder-config.yaml with the stock collector builder
	rm -rf out/ocb && mkdir -p out/ocb && cp go.sum out/ocb/ # some of these versions are in no checksum database
	$(TOOLS)/builder --config builder-config.yaml --skip-compilation --skip-get-modules
	cd out/ocb && go mod tidy && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o governor . # needs no module of other systems
	./out/ocb/governor validate --config configs/agent.yaml
	@echo "out/ocb/governor is built"

.PHONY: generate
generate: tools ## components.go from builder-config.yaml, component telemetry from metadata.yaml
	for c in $(COMPONENTS); do (cd $$c && $(TOOLS)/mdatagen metadata.yaml); done
	rm -rf out/generate && mkdir -p out/generate
	sed 's#output_path: .*#output_path: ./out/generate#' builder-config.yaml > out/generate.yaml
	$(TOOLS)/builder --config out/generate.yaml --skip-compilation --skip-get-modules
	gofmt out/generate/components.go > cmd/governor/components.go
	rm -rf out/generate out/generate.yaml

##@ Testing
.PHONY: test-unit
test-unit: ## Unit tests, fuzz corpora and the simulated host; needs Go alone
	go test ./...

.PHONY: test-all
test-all: gcc engine ## All tests with the race detector, on a real Docker engine
	$(ENGINE) go test -race -tags docker -timeout 15m ./...
	cd bench && go test ./...

.PHONY: bench
bench: ## Paired benchmarks against the collector-contrib components; writes out/bench/*.json
	mkdir -p out/bench
	cd bench && go run ./jaeger -out ../out/bench/jaeger.json

.PHONY: lint
lint: tools ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './out/*' -not -path './.tools/*')); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	go vet -tags docker ./...
	$(TOOLS)/staticcheck -tags docker ./...
	cd bench && go vet ./... && $(TOOLS)/staticcheck ./...

.PHONY: generated
generated: tools ## Fail when a generated file is not what the generators give now
	@sum() { find $(COMPONENTS) cmd/governor/components.go -name 'generated_*' -o -name documentation.md -o -name components.go -o -path '*/internal/metadata/*' -type f | sort | xargs sha256sum; }; \
	  before=$$(sum); $(MAKE) --no-print-directory generate >/dev/null; after=$$(sum); \
	  if [ "$$before" != "$$after" ]; then echo "generated files are not current; run make generate and commit:"; diff <(echo "$$before") <(echo "$$after") || true; exit 1; fi

##@ Tools and cleaning
.PHONY: tools
tools: $(TOOLS)/builder ## The collector builder, mdatagen and staticcheck at the versions of tools/go.mod
$(TOOLS)/builder: tools/go.mod tools/go.sum
	cd tools && go build -o $(TOOLS)/ go.opentelemetry.io/collector/cmd/builder go.opentelemetry.io/collector/cmd/mdatagen honnef.co/go/tools/cmd/staticcheck

.PHONY: engine
engine: # Runs a command with a Docker engine at hand
	CGO_ENABLED=0 go build -o $(TOOLS)/engine ./test/engine

.PHONY: gcc
gcc: # The race detector needs a C compiler
	@command -v gcc >/dev/null || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev)

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin out .tools

.PHONY: help
help: ## This text
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
