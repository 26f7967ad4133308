# The local hall. `make` lists what there is; `make run` and `make test` need only Python 3.11 and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELF := storefront/staff/static/vendor
N ?= 200

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Install the venv module first (Debian: python3-venv)"; exit 1; }
	@echo "Installing the dependencies (hash-checked, about half a minute the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing the test tools …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(SHELF)/.made: clients/console/package-lock.json clients/console/install.sh $(VENV)/.run
	@echo "Fetching the console's charts from npm …"
	@clients/console/install.sh $(VENV)
	@touch $@

# Whatever hinders it, the console works without them: pages then show their tables only.
console: $(VENV)/.run ## Fetch what the staff console's pictures are drawn with
	@$(MAKE) -s --no-print-directory $(SHELF)/.made || echo "Not fetched: the console shows tables instead of pictures until 'make console' succeeds"

run: $(VENV)/.run console ## Run the whole shop on this desk and say which page to open
	@$(BIN)/python -m config.desk

simulate: $(VENV)/.run ## Send N commuters (N=200) through a running shop and compare the report; MONTH=1: a month of known causes
	@$(BIN)/python -m $(if $(MONTH),tests.month,emulator simulate --n $(N))

staff-code: $(VENV)/.run ## Print the one-time code of this desk's staff account
	@$(BIN)/python -m config.desk staff code

test: $(VENV)/.dev chromium console ## Run everything that guards main (ten minutes or so on two cores)
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 3 --dist loadscope -m "not slow"

test-all: $(VENV)/.dev chromium console ## The same and the long runs
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 3 --dist loadscope

lint: $(VENV)/.dev ## Style, types and import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy config catalog payments subway_campaign storefront emulator wsgi.py
	@$(BIN)/lint-imports --no-cache

crash: $(VENV)/.dev ## Kill everything at every commit and every call to WeChat, and compare the books each time
	@$(BIN)/python -m tests.proofs crash

soak: $(VENV)/.dev ## Place 10,000 orders with every fault of WeChat's at 5 %, and compare the books
	@$(BIN)/python -m tests.proofs soak

bench: $(VENV)/.dev ## Measure the hot paths beside their ceilings and references
	@$(BIN)/python -m benchmarks

chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && echo "Installing Chromium for the browser journeys …" \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; } \
	  || echo "No Chromium here: the browser journeys are skipped"

lock: $(VENV)/.dev ## Pin the dependencies again
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
	  pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
	  --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Forget the data of this desk
	@rm -rf .data


.PHONY: help console run simulate staff-code test test-all lint crash soak bench chromium lock clean
