# One-liners over `python -m gancompare …`, run in a virtual environment that sets itself up.
# On Windows, or in an environment of your own, use the commands of the README instead.

PYTHON   ?= python3
PROFILE  ?= quick
STUDY    ?= $(PROFILE)
DATASETS ?= mnist5k
ARMS     ?= gan wgan wgan-gp
SEEDS    ?= 2
JOBS     ?=
OPTIONS  ?=

RUN := .venv/bin/python -m
READY := .venv/.ready

.PHONY: study report lab test check lint clean

study: $(READY)
	@$(RUN) gancompare study --name $(STUDY) --datasets $(DATASETS) --arms $(ARMS) --seeds $(SEEDS) \
		--profile $(PROFILE) $(if $(JOBS),--jobs $(JOBS)) $(OPTIONS)

report: $(READY)
	@$(RUN) gancompare report --study $(STUDY)

lab: $(READY)
	$(RUN) jupyter lab notebooks

test: $(READY)
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist worksteal

check: $(READY)  # the quick half of the tests
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist worksteal -m "not slow"

lint: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	.venv/bin/lint-imports
	$(RUN) mypy

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("gancompare needs Python 3.11 or newer: make PYTHON=python3.12 …") if sys.version_info < (3, 11) else None'
	@echo "setting up .venv: a few minutes and several GB the first time"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(RUN) pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

clean:
	rm -rf .venv .pytest_cache .ruff_cache
