# `make` builds, `make help` lists the rest.
.DEFAULT_GOAL := build
GO ?= go

.PHONY: build test race lint bench fuzz trial chaos ci clean help

build: ## build ./bin/switchboard
	$(GO) build -trimpath -o bin/switchboard ./cmd/switchboard

test: ## run the tests (real PostgreSQL, Redis and Dovecot when installed)
	$(GO) test ./...

race: ## run the tests under the race detector
	$(GO) test -race ./...

lint: ## gofmt, vet, staticcheck and the import law
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) test -run TestImportLaw ./cmd/switchboard

bench: ## run every benchmark once, briefly
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

fuzz: ## run every fuzz target for 20 seconds
	@for f in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
		for t in $$(grep -o '^func Fuzz[A-Za-z0-9_]*' $$f | cut -c6-); do \
			echo "$$t in $$(dirname $$f)"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime 20s ./$$(dirname $$f) || exit 1; \
		done; done

trial: ## real servers, 500 mails, `serve` killed ten times: prints counts
	docs/trial

chaos: ## the fleet under fire for half an hour, 300 kills, then an audit
	docs/chaos

ci: ## what CI runs
	bash .ci/run

clean: ## remove what build made
	rm -rf bin

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-8s %s\n", $$1, $$2}'
