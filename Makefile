# Everything a developer or a CI runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Any Python from 3.11 on makes the environment; the locks were made for 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := --require-hashes --no-deps --no-compile
# As many processes as cores, but those tests that need servers stay in one.
PARALLEL := -n auto --maxprocesses 4 --dist loadscope
# More words for pytest: make test PYTEST="-k postfix -x"
PYTEST ?=
# Words for the chaos scoreboard: make chaos CHAOS="--mails 200000 --rate 400 --faults kill --count 50"
CHAOS ?=
# Words for the bench of the trail store: make bench-trace TRACE="--mails 10000000"
TRACE ?=
# The broker that tests would use is only fetched where it can run.
HAVE_JVM := $(and $(shell command -v java),$(shell command -v mvn))

.PHONY: help demo test test-all ship audit licenses sbom secrets dist bench bench-trace lint format kafka postfix mtas prometheus helm
.PHONY: dashboards postgres chromium fluent-bit requirements clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.runtime ## show on a real Kafka what mailgap finds, in under two minutes
	@$(BIN)/mailgap demo

test: $(VENV)/.dev lint $(if $(HAVE_JVM),kafka) ## lint, and every test that is not slow
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(PYTEST)

test-all: $(VENV)/.dev lint $(if $(HAVE_JVM),kafka) ## lint, and every test
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST)

bench: $(VENV)/.dev $(if $(HAVE_JVM),kafka) ## scan, the worker beside others (BENCH_PEERS=folder), its core by steps, its delays; half an hour
	$(BIN)/python -m tests.bench.scan
	$(BIN)/python -m tests.bench.worker --mails 60000 --runs 3
	$(BIN)/python -m tests.bench.core --before 120000
	$(BIN)/python -m tests.bench.latency

bench-trace: $(VENV)/.dev ## how fast the trail store is written and asked (TRACE="--mails 10000000" takes half an hour)
	$(BIN)/python -m tests.bench.trace $(TRACE)

chaos: $(VENV)/.dev $(if $(HAVE_JVM),kafka) ## faults against a real Kafka, and a scoreboard (CHAOS="--help" lists the options)
	$(BIN)/python -m tests.chaos $(CHAOS)

lint: $(VENV)/.dev ## ruff, mypy --strict, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

ship: $(VENV)/.ship ## install what looks at the image, the chart and the supply chain; then make test PYTEST=tests/chart

audit: $(VENV)/.ship ## known holes in the locked packages; exit 2 where the database of holes cannot be asked
	$(BIN)/python requirements/audit.py

licenses: $(VENV)/.ship ## write requirements/LICENSES.md anew; refuses a licence that nobody has read
	$(BIN)/python requirements/licenses.py

dist: $(VENV)/.dev ## wheel and sdist in dist/, the same bytes wherever this commit is built
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -d dist

sbom: $(VENV)/.ship dist ## dist/mailgap.cdx.json: the bill of materials (CycloneDX) of what the image runs
	@$(PYTHON) -m venv --clear dist/runtime
	@dist/runtime/bin/python -m pip --quiet install $(LOCKED) -r requirements/runtime.txt
	@$(PIP) --python dist/runtime/bin/python uninstall --yes pip setuptools
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/mailgap.cdx.json dist/runtime

secrets: $(VENV)/.ship ## look for secrets that were committed
	$(BIN)/python -m pytest -q tests/supply/test_secrets.py

format: $(VENV)/.dev ## let ruff format the code and sort its imports
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

kafka: $(VENV)/.runtime ## fetch Apache Kafka (Java 17 and Maven), once
	@$(BIN)/python -m service.demo.broker install

postfix: ## install Postfix for the tests (Debian or Ubuntu, root); no mail system is started
	@.ci/install-postfix

mtas: ## unpack Exim, Sendmail, OpenSMTPD, msmtp, rsyslog and syslog-ng for the tests (Debian or Ubuntu); nothing is installed
	@.ci/unpack-mtas

dashboards: ## hold the Grafana dashboards against Grafana's published schema (Go; not for CI)
	cd tests/rules/grafana_schema && go run . $(CURDIR)/deploy/grafana/*.json

helm: ## build Helm 3 and 4 with Go (minutes; not for CI); then make test PYTEST=tests/chart
	GOBIN=$(CURDIR)/.local/helm/3 go install helm.sh/helm/v3/cmd/helm@v3.22.0
	GOBIN=$(CURDIR)/.local/helm/4 go install helm.sh/helm/v4/cmd/helm@v4.3.1

fluent-bit: ## build Fluent Bit for the slow tests (npm, CMake, flex, bison; Debian or Ubuntu; five minutes)
	@.ci/build-fluent-bit

prometheus: ## unpack Prometheus and Alertmanager for the tests (Debian or Ubuntu); nothing is installed
	@.ci/unpack-prometheus

postgres: ## unpack PostgreSQL for the tests of the trail store (Debian or Ubuntu); nothing is installed
	@.ci/unpack-postgres

chromium: ## install Chromium for the tests of the trace page (Debian or Ubuntu, root)
	@.ci/install-chromium

requirements: $(VENV)/.dev ## write requirements/*.txt anew from pyproject.toml (UPGRADE=1: to the newest versions)
	PYTHON=$(BIN)/python requirements/compile.sh $(if $(UPGRADE),--upgrade)

clean: ## remove what the other targets made, the environment and Kafka included
	rm -rf $(VENV) .local dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -not -path './.git/*' -exec rm -rf {} +

# The environment grows in two steps, so that the demo waits for no linter.
$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	@echo "Making $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install $(LOCKED) -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Adding the developer's tools to $(VENV) ..."
	@$(PIP) install $(LOCKED) -r requirements/dev.txt
	@touch $@

$(VENV)/.ship: $(VENV)/.dev requirements/ship.txt
	@echo "Adding Helm and its like to $(VENV) ..."
	@$(PIP) install $(LOCKED) -r requirements/ship.txt
	@touch $@
