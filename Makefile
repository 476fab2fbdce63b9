# Two commands do everything on a fresh machine with Python 3.11, pip, git and make:
#   make quickstart   set up, then run the main job on the CPU and show the result
#   make test         set up, then check and test everything

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

.PHONY: quickstart test test-trainers test-browser test-airflow recipe pictures check env dev docs clean

quickstart: env
	$(BIN)/synth run configs/quickstart.yaml

# Two processes, a file of tests to each at a time: what waits for a server or a process that starts leaves a core idle.
test: dev check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Each trainer's own loader reads what `synth export` writes. An environment each, since their pins differ; torch and all
# that they have in common comes from $(VENV) below.
TRAINERS := small swift nemo recipes

test-trainers: dev $(TRAINERS:%=.venv-trainers/%/.env)
	for name in $(TRAINERS); do \
	  SYNTH_TRAINER=$$name PYTHONPATH=. .venv-trainers/$$name/bin/python -m pytest tests/trainers tests/recipes || exit 1; done

# The report in a browser: a Chromium of the system, or the program that SYNTH_BROWSER names.
test-browser: .venv-browser/.env
	PYTHONPATH=. .venv-browser/bin/python -m pytest tests/report/test_browser.py -rs

# Pictures of a real run's report, for docs/report.md.
pictures: quickstart .venv-browser/.env
	$(BIN)/synth report configs/quickstart.yaml
	PYTHONPATH=. .venv-browser/bin/python docs/pictures.py outputs/quickstart/report.html docs/images

.venv-trainers/%/.env: requirements/trainers-%.txt $(VENV)/.dev
	$(PYTHON) -m venv .venv-trainers/$*
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$(.venv-trainers/$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth
	.venv-trainers/$*/bin/python -m pip --disable-pip-version-check install --quiet $(if $(filter nemo,$*),--no-deps) -r $<
	touch $@

# The DAG of deploy/airflow, read and run by Airflow, which wants an environment to itself.
test-airflow: dev .venv-airflow/.env
	SYNTH_AIRFLOW=$(abspath $(BIN)/python) .venv-airflow/bin/python -m pytest tests/airflow

.venv-airflow/.env: requirements/airflow.txt
	$(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $<
	touch $@

# Queries for functions of Python's standard library by the quickstart's models, the three stages of training on them, and
# nDCG@10 before and after: docs/training.md.
recipe: env .venv-trainers/recipes/.env
	$(BIN)/python recipes/small/stdlib.py outputs/recipes/stdlib
	$(BIN)/synth run recipes/small/stdlib.yaml
	PYTHONPATH=. .venv-trainers/recipes/bin/python recipes/small/train.py outputs/recipe-stdlib/dataset \
	  --questions outputs/recipes/stdlib

.venv-browser/.env: requirements/browser.txt $(VENV)/.dev
	$(PYTHON) -m venv .venv-browser
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$(.venv-browser/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth
	.venv-browser/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r $<
	touch $@

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check

docs: dev
	$(BIN)/python docs/generate.py

env: $(VENV)/.env
dev: $(VENV)/.dev

# torch's CPU build is not on PyPI. Where pip is configured to find it, pip takes it; elsewhere uv knows PyTorch's index.
$(VENV)/.env: requirements/torch-cpu.txt requirements/cpu.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements/torch-cpu.txt || { $(PIP) uv && \
	  VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --no-deps --torch-backend=cpu -r requirements/torch-cpu.txt; }
	$(PIP) -r requirements/cpu.txt
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.env requirements/dev.txt
	$(PIP) -r requirements/dev.txt
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
