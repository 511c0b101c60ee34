# `make` alone explains every target. Each target does its own set-up, once.

# Set on the command line only; a PORT or MODEL that happens to be in the environment means something else.
PYTHON = python3
# One environment for each Python, so that PYTHON=python3.13 does not undo the set-up for another.
PYTHON_TAG := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV = .venv/$(PYTHON_TAG)
BIN = $(VENV)/bin
READY = $(VENV)/.ready

TRAINED = build/admission.rds
EVENT = events/admit.json
MODEL = $(TRAINED)
DATA = models/admission/applicants.csv
PORT = 3001
LAYER = .aws-sam/build/RLayer
# Variables of the function that differ from the template's.
SETTINGS =
# The shell gets them from the environment, so that a path may hold blanks and quotes.
export EVENT MODEL DATA PORT LAYER

# stdout belongs to the answer of `make run`.
MAKEFLAGS += --no-print-directory
export SAM_CLI_TELEMETRY := 0
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(READY) $(filter $(TRAINED),$(MODEL)) ## score one event: EVENT=file or -, MODEL=any.rds, SETTINGS="THRESHOLD=0.6 …"
	@$(BIN)/python -m emulator run --event "$$EVENT" --model "$$MODEL" $(SETTINGS:%=--set '%')

.PHONY: serve
serve: $(READY) $(filter $(TRAINED),$(MODEL)) ## keep the function up for `aws lambda invoke`: PORT=3001, MODEL=, SETTINGS=
	@$(BIN)/python -m emulator serve --port "$$PORT" --model "$$MODEL" $(SETTINGS:%=--set '%')

.PHONY: model
model: $(READY) ## train build/admission.rds: DATA=path or URL of a CSV
	@mkdir -p build
	@Rscript --vanilla models/admission/train.R "$$DATA" $(TRAINED)

$(TRAINED): models/admission/train.R models/admission/applicants.csv | $(READY)
	@mkdir -p build
	@echo "training $@ from the simulated applicants" >&2
	@Rscript --vanilla models/admission/train.R models/admission/applicants.csv $@ >build/training.log

.PHONY: test
test: test-unit test-integration ## all tests

.PHONY: test-unit
test-unit: $(READY) ## tests without R, network or AWS
	@$(BIN)/python -m pytest tests/unit

.PHONY: test-integration
test-integration: $(READY) $(TRAINED) ## tests with real R, S3 protocol and Lambda emulator
	@LD_LIBRARY_PATH="$$(R RHOME)/lib" $(BIN)/python -m pytest tests/integration

.PHONY: replica
replica: $(READY) ## make the Docker images that stand in for Lambda's, and start Docker if need be
	@$(BIN)/python -m emulator.replica up

.PHONY: replica-down
replica-down: $(READY) ## end the Docker engine that make replica started
	@$(BIN)/python -m emulator.replica down

.PHONY: test-replica
test-replica: replica $(TRAINED) ## tests of the built artefacts, in Docker
	@$(BIN)/sam build --config-env replica
	@$(BIN)/python -m pytest --rung replica tests/integration/test_function.py tests/integration/test_replica.py

.PHONY: layer-report
layer-report: $(READY) ## where the bytes of the built layer are: LAYER=.aws-sam/build/RLayer
	@$(BIN)/python -m emulator.layer "$$LAYER"

.PHONY: lint
lint: $(READY) ## ruff, mypy, cfn-lint, sam validate
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint --include-checks I --template template.yaml
	@AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint

.PHONY: format
format: $(READY) ## rewrite the Python code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(READY) ## pin the newest allowed versions, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --upgrade --universal --generate-hashes \
		--custom-compile-command "make lock" --quiet --output-file src/requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --group dev --upgrade --universal --generate-hashes \
		--custom-compile-command "make lock" --constraint src/requirements.txt --quiet --output-file requirements.txt

.PHONY: setup
setup: $(READY) ## install R, the virtual environment and the pinned packages

$(READY): requirements.txt emulator/bootstrap.py
	@$(PYTHON) emulator/bootstrap.py $(VENV) requirements.txt

.PHONY: clean
clean: ## remove everything that was built
	rm -rf .venv build .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
