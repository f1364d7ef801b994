# make demo   everything installed and running, the address printed
# make test   everything installed, all tests
# make check  what a change must pass: format, vet, staticcheck, generated files, race tests
# make bench, make fuzz, make soak: the long runs; their results stand in docs/

GO      ?= go
BIN     := bin
DATA    ?= demo-data
FUZZ    ?= 60s
KILLS   ?= 300
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
SENDERS := $(and $(shell command -v curl),$(shell command -v syslog-ng))
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
VERSITYGW := v1.8.0
FAKEGCS   := v1.56.1
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: all build deps npm browser senders s3 gcs demo test check lint generate docs bench fuzz soak clean

all: build

# --- what is needed -------------------------------------------------------------------------

deps: npm browser senders s3 gcs

# The embedded database engine and what browser tests use.
npm: node_modules/.package-lock.json
node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Browser tests need Chromium, and a test looks at a PDF. As root on Debian they are installed.
browser:
ifeq ($(CHROMIUM),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-core; \
	else \
		echo "chromium is missing: as root, apt-get install chromium fonts-noto-core (the browser tests need it)" >&2; \
		[ "$$CI" != true ]; \
	fi
endif

# Programs of others that send events in tests. The daemon that apt-get may start is not used.
senders:
ifeq ($(SENDERS),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl syslog-ng-core syslog-ng-mod-http; \
	else \
		echo "curl or syslog-ng is missing: as root, apt-get install curl syslog-ng-core syslog-ng-mod-http (tests of senders need them)" >&2; \
		[ "$$CI" != true ]; \
	fi
endif

# Tests of buckets need an S3 server. It is no part of the product, so not in go.mod.
s3: $(BIN)/tools/versitygw
$(BIN)/tools/versitygw:
	GOBIN=$(CURDIR)/$(BIN)/tools $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

# And one of Google Cloud Storage.
gcs: $(BIN)/tools/fake-gcs-server
$(BIN)/tools/fake-gcs-server:
	GOBIN=$(CURDIR)/$(BIN)/tools $(GO) install github.com/fsouza/fake-gcs-server@$(FAKEGCS)

# --- use ------------------------------------------------------------------------------------

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/exhibit ./cmd/exhibit-verify

demo: npm build
	$(BIN)/exhibit demo --data $(DATA)

# --- develop --------------------------------------------------------------------------------

test: deps
	$(GO) test -timeout 14m ./...

check: deps lint
	$(GO) test -race -timeout 30m ./...

lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt: $$files" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(MAKE) generate
	git diff --exit-code -- '*_templ.go' go.mod go.sum

generate:
	$(GO) tool templ generate
	$(GO) mod tidy

docs: ## write the tables of README.md and docs/sources.md anew
	go test ./ingest/source -run "TestDocs|TestAgreement" -update

bench: npm s3 build
	$(GO) run ./internal/bench
	$(GO) test -run '^$$' -bench Kinds -cpu 1 ./ingest/source

fuzz: npm
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x $$pkg; \
		done; \
	done

soak: npm
	EXHIBIT_SOAK=$(KILLS) $(GO) test -count=1 -timeout 3h -v -run 'Kill|Race|Unknown|GiveUp|Days|Faults|Counts|Memory|FullDisk|Simulation' ./ingest/ ./ingest/objects/

clean:
	rm -rf $(BIN) demo-data
