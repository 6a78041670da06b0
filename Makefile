# make demo   a first answer in minutes: etcd, Consul, DNS and bridge on loopback
# make test   everything that is tested, on real servers; does its own set-up
# make build  bin/coredns and bin/isthmus
# make bench  our CoreDNS against the stock one: CPU, memory, freshness
# make fuzz   a million answers compared with the stock plugin, then every fuzz target for FUZZTIME (1m), one after the other
# make servers  builds the real servers that tests and demo use, or fetches Debian's
# make clean  removes the programs; make distclean the built servers, too

GO ?= go
LDFLAGS = -s -w -X main.version=$(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

FUZZTIME ?= 1m
SCHEDULES ?= 20000

.PHONY: demo test bench unit fuzz build servers browser clean distclean

build: bin/coredns bin/isthmus

bin/coredns bin/isthmus bin/demo: FORCE
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags '$(LDFLAGS)' -o $@ ./build/$(notdir $@)

bin/etcdctl: integration/servers/modules/etcd/go.mod
	@mkdir -p bin
	cd integration/servers/modules/etcd && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ go.etcd.io/etcd/etcdctl/v3

# The demo prints lines to paste; what they need and the machine lacks is built.
demo: bin/demo $(if $(shell command -v dig),,bin/isthmus) $(if $(shell command -v etcdctl),,bin/etcdctl)
	@bin/demo $(ARGS)

servers:
	$(GO) run ./integration/servers/cmd/servers build

# Tests look at Consul's pages in it; root gets Debian's installed.
browser:
	$(GO) run ./integration/servers/cmd/servers browser

# Nothing is taken from the test cache, which does not see the programs that tests build and run. What asks or feeds programs that run
# in other processes has no race detector, which would only slow that, as it would most schedules of the bridge's simulation. All of it
# takes what processors the real faults leave idle, which are mostly waited for. Pictures of Consul's pages and what the faults did are
# kept in bin/artifacts.
test: servers browser
	@rm -rf bin/artifacts && mkdir -p bin/artifacts
	$(GO) test -race -count=1 -timeout 40m -artifacts -outputdir $(CURDIR)/bin/artifacts $$($(GO) list ./... | grep -v "/integration/differential$$\|/integration/faults$$\|/integration/hostile$$")
	$(GO) test -count=1 -timeout 20m -v -artifacts -outputdir $(CURDIR)/bin/artifacts ./integration/faults & faults=$$!; \
	nice $(GO) test -p 1 -count=1 -timeout 20m ./integration/hostile ./integration/differential && \
	nice $(GO) test -count=1 -timeout 40m ./bridge/simulation -schedules $(SCHEDULES) -mutate; ended=$$?; wait $$faults && exit $$ended

# ARGS="-quick" for a first look, ARGS="-only clusterip/bare" for one row; ARGS=-h tells the others.
bench: servers
	@$(GO) run ./integration/bench $(ARGS)

# What needs no server and little time, for between two edits.
unit:
	$(GO) test ./catalog/... ./registry ./registry/stanza ./registry/memory/... ./registry/registrytest/... ./bridge/... ./plugin/...

# What a target finds is kept in testdata/fuzz of its package: a seed from then on. Go 1.26 at times says that a target failed when all
# that came was the end of its time (golang/go#75804): one that wrote no seed then has its time once more.
fuzz: servers
	$(GO) test -count=1 -v -timeout 60m ./integration/differential -run TestAnswers -seed 0 -answers 1000000
	@mkdir -p bin; grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' . | sort | while IFS=: read -r file _ target; do \
		target=$${target#func }; folder=$$(dirname $$file); echo "$$folder $$target"; \
		try() { { $(GO) test $$folder -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s </dev/null 2>&1; echo $$? >bin/fuzz.rc; } | tee bin/fuzz.log; return $$(cat bin/fuzz.rc); }; \
		try || { grep -q '^ *context deadline exceeded$$' bin/fuzz.log && ! grep -q 'Failing input' bin/fuzz.log && try; } || exit 1; \
	done

clean:
	rm -rf bin
	@echo "built servers are kept for the next time: make distclean removes them, too"

distclean: clean
	$(GO) run ./integration/servers/cmd/servers clean

FORCE:
