# The two commands: make demo, make test. The rest are their parts.

GO       ?= go
FUZZTIME ?= 10s
BENCHFLAGS ?=
CHAOSFLAGS ?=
COUNT    ?= 6
SEED     ?= 0
ROUNDS   ?= 100
FIRST    ?= 1

.PHONY: demo build test setup lint web unit fuzz cross deadcode sabotage chaos rounds bench sight microbench benchcmp clean

# Show the main job on this machine; needs only Go.
demo:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/rouse ./cmd/rouse
	./bin/rouse demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/rouse ./cmd/rouse

# Install what the tests need, then everything.
test: setup lint cross deadcode web unit fuzz sabotage
	@echo "make test: all passed"

# Packages that tests use: PostgreSQL, Redis, OpenSSH, QEMU, shellcheck and a few tools.
setup:
	./scripts/setup.sh

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w): $$unformatted"; exit 1; fi
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(GO) tool staticcheck ./...

# The dashboard: its sources, and whether the built files in the tree are theirs.
web:
	./web/check.sh

unit:
	$(GO) test -race -shuffle=on -timeout=20m ./...
	GO="$(GO)" ./scripts/unprivileged.sh

# FUZZTIME of each fuzz target, two at a time.
fuzz:
	./scripts/fuzz.sh $(FUZZTIME)

cross:
	@for platform in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
		echo "build $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -trimpath -o /dev/null ./cmd/rouse || exit 1; \
	done

# The linker drops methods that nobody calls, unless one call by name keeps them all.
deadcode:
	@if CGO_ENABLED=0 $(GO) build -ldflags=-dumpdep -o /dev/null ./cmd/rouse 2>&1 | grep '<ReflectMethod>'; then \
		echo "the linker's dead-code elimination is off: something calls a method by a name made at run time"; exit 1; fi
	@echo "dead-code elimination is on"

# The long form of what the tests run in short: cycles, crashes, sabotages, crowds, fuzzing and rounds of chaos, one after the
# other, for about an hour. With SEED, ROUNDS or FIRST only the rounds, which that seed brings again.
chaos:
	@if [ "$(origin SEED) $(origin ROUNDS) $(origin FIRST)" = "file file file" ]; then \
		GO="$(GO)" FUZZTIME=2m ./scripts/long.sh; else $(MAKE) --no-print-directory rounds; fi

# Rounds of chaos: rouse between a rude provider, clients who check every byte, and whatever breaks; see test/chaos.
# Needs root; about 3 s a round. The same SEED (0 draws one) gives the same rounds; FIRST=17 ROUNDS=1 is one of them.
# CHAOSFLAGS=-race builds rouse with the race detector, -towns 1 -talk tells all that happens, -help lists the rest.
rounds:
	./scripts/setup.sh chaos
	$(GO) build -trimpath -o bin/chaos ./test/chaos
	GO="$(GO)" ./bin/chaos -seed $(SEED) -rounds $(ROUNDS) -first $(FIRST) $(CHAOSFLAGS)

# Break our own guards one by one: some test must notice each.
sabotage:
	$(GO) run ./test/sabotage

# rouse beside HAProxy, nginx, socat and systemd-socket-proxyd, which are installed where that
# can be done; writes BENCHMARKS.md and its plots. Run it on a machine that does nothing else.
# BENCHFLAGS=-quick only shows that it works; -help lists the rest.
bench:
	./scripts/setup.sh bench
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/bench ./bench
	./bin/bench $(BENCHFLAGS)

# What it costs to be watched: history, events and status, on and off side by side.
sight: build
	$(GO) run ./bench/sight

# The parts by themselves: the event loop, holds, the relay, the probe, and how soon after its listen() a target's first
# byte is at the client. COUNT times, about half a minute each; PARTS=relay takes one of them.
microbench:
	@GO=$(GO) COUNT=$(COUNT) PARTS='$(PARTS)' ./scripts/microbench.sh

# The same beside another version, such as OLD=HEAD~1. The test programs are those of each version.
benchcmp:
	@[ -n "$(OLD)" ] || { echo "write make benchcmp OLD=REF, a branch, tag or commit"; exit 2; }
	@GO=$(GO) COUNT=$(COUNT) PARTS='$(PARTS)' ./scripts/microbench.sh $(OLD)

clean:
	rm -rf bin
