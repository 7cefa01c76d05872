.DEFAULT_GOAL := help
.PHONY: help install pins wheel run dev reset test test-unit test-pipeline test-kafka test-services lint bench interop services

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
WORKERS ?= 3 # tests wait more than they work, so there may be more than cores
ARGS ?= # of the tests: make test ARGS="-k kinds -x"
REQUIREMENTS := requirements-local.txt requirements-dev.txt requirements-tracing.txt # the first has all of requirements.txt, the image's
PATIENTLY := $(PYTHON) .ci/patient.py

help: ## list these
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## make .venv with all that is needed

.venv/installed: $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python " + sys.version.split()[0] + ", needed is 3.11 or later: make install PYTHON=python3.12, or where it is")'
	@$(PATIENTLY) "making .venv" $(PYTHON) -m venv .venv
	@$(PATIENTLY) "installing what requirements*.txt pin" $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes $(REQUIREMENTS:%=-r %)
	@touch $@

PIN = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes

pins: ## requirements*.txt anew, from pyproject.toml and requirements-dev.in (needs uv)
	$(PIN) pyproject.toml --extra alerts --extra site -o requirements.txt
	$(PIN) pyproject.toml --extra local -c requirements.txt -o requirements-local.txt
	$(PIN) requirements-dev.in -o requirements-dev.txt
	$(PIN) requirements-tracing.in -o requirements-tracing.txt

wheel: install ## the apps as a wheel, in dist/
	@rm -rf build # or what an earlier one held would be in it
	@$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

run: install ## everything on this machine, until Ctrl-C
	@exec $(BIN)/python -m eventsite.local.run

dev: install ## as run, and the processes start again when code changes
	@exec $(BIN)/python -m eventsite.local.run --reload

reset: install ## empty the database, Redis and the topics
	@exec $(BIN)/python -m eventsite.local.reset

test: install ## all tests, in parallel, on embedded services
	@exec $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-unit: install ## those that need no service
	@exec $(BIN)/python -m pytest tests/unit $(ARGS)

test-pipeline: install ## the Procfile's processes, on embedded services
	@exec $(BIN)/python -m pytest tests/pipeline -n 2 $(ARGS)

test-kafka: install ## the same on a real Apache Kafka (needs java and mvn)
	@TEST_KAFKA=real exec $(BIN)/python -m pytest tests/pipeline -n 2 $(ARGS)

interop: install ## other people's clients, serializers and SDKs against the pipeline on a real Apache Kafka (LANGUAGES=)
	@exec $(BIN)/python -m interop $(LANGUAGES)

test-services: install ## those of a release: Debian's RabbitMQ, Redis, PgBouncer and nginx, a browser, several brokers; a missing one is named
	@exec $(BIN)/python -m pytest tests/release $(ARGS)

lint: install ## ruff, mypy, the limits on length, the rules on layers and imports, the docs' paths and drawing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/lengths.py
	DEBUG=1 IGNORE_ENV_FILES=1 $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_layers.py
	$(BIN)/python .ci/architecture.py --check
	$(BIN)/python .ci/metrics.py --check
	$(BIN)/python .ci/check_docs.py

BENCH = $(BIN)/python -m bench $(PARTS:%=--part %) $(if $(EVENTS),--events $(EVENTS))

bench: install ## measure, on a real Apache Kafka where there is Java (PARTS= EVENTS= ROUNDS=)
	@exec $(BENCH) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-against
bench-against: install ## measure this checkout and REV=… in turn, and compare (PAIRS= PARTS= EVENTS=)
	@exec $(BENCH) --against "$(or $(REV),$(error say which revision: make bench-against REV=…))" --rounds $(or $(PAIRS),5)

.PHONY: bench-peers
bench-peers: install ## measure beside others' ways: Go, Node.js, Quix Streams, FastStream, arroyo, Celery (PEERS= PARTS= ROUNDS=)
	@exec $(BIN)/python -m bench.peers $(PEERS) $(PARTS:%=--part %) $(if $(EVENTS),--events $(EVENTS)) $(if $(ROUNDS),--rounds $(ROUNDS))

services: install ## Postgres, Redis and a real Apache Kafka (needs java and mvn), until Ctrl-C
	@exec $(BIN)/python -m eventsite.local.services
