# make run: set up, run the main job on the embedded default, say where the report is.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
AIRFLOW := deploy/airflow/.venv
TYPES := tests/typed/.venv
ENV ?=
# what make serve serves, and its options, such as --port 8080
MODELS ?= data/06_models/synthetic
SERVE_ARGS ?=
RUN_ARGS := $(if $(ENV),--env $(ENV))
export DO_NOT_TRACK = 1

.PHONY: install demo run serve test test-all lint types docs paper colab dist try-wheel licences viz bench results airflow clean

install: $(STAMP)

# the interpreter that is there, where python3.11 has no name of its own
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 && py=$(PYTHON) || py=python3; \
	$$py -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
		|| { echo "Python 3.11 or 3.12 is needed; set PYTHON=/path/to/it"; exit 1; }; \
	test -x $(BIN)/python || $$py -m venv $(VENV)
	@echo "Installing into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

# half a minute: train one model on a small table, answer a new record, say where the page is
demo: install
	$(BIN)/medanomaly run --env demo
	$(BIN)/medanomaly score docs/demo/new_visit.csv --models $${MEDANOMALY_OUTPUTS:-data}/06_models/demo
	@echo "The page to look at:"
	@$(BIN)/medanomaly report demo

run: install
	$(BIN)/kedro run $(RUN_ARGS)

serve: install
	$(BIN)/medanomaly serve --models $(MODELS) $(SERVE_ARGS)

# the first stage; test-all also runs what is marked as slow
test: install
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

test-all: install
	$(BIN)/pytest -n 2 --dist loadgroup

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# the type hints of what programs call; the checker has an environment of its own
types: install $(TYPES)/.installed
	$(TYPES)/bin/mypy --config-file tests/typed/mypy.ini --python-executable $(BIN)/python

$(TYPES)/.installed:
	@$(BIN)/python -m venv $(TYPES)
	@$(TYPES)/bin/python -m pip install --quiet --disable-pip-version-check "mypy>=2.4,<3"
	@touch $@

# the documentation site in docs/_build; a warning is an error, and so is what a page loads from elsewhere
docs: install
	$(BIN)/python -m sphinx -b html -W --keep-going -q -j auto docs docs/_build
	@$(BIN)/python docs/check_site.py docs/_build
	@echo "Documentation: docs/_build/index.html"

# the manuscript as PDF, from the results files
paper: install
	$(BIN)/python -m benchmarks.render.paper

# the notebook that needs no package, from the modules
colab: install
	$(BIN)/python notebooks/make_colab.py

# wheel and source in dist/, and whether an index would take them
dist: install
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*

# the wheel in an empty environment, with each extra in turn; about half an hour
try-wheel: dist
	$(BIN)/python deploy/try_wheel.py

# the licence of every package that is installed along; fails where one may not be used
licences: install
	$(BIN)/python deploy/licences.py

viz: install
	$(BIN)/kedro viz run

bench: install
	$(BIN)/python -m benchmarks $(NAME)
	$(BIN)/python -m benchmarks.render

# docs/results from benchmarks/results, without measuring again
results: install
	$(BIN)/python -m benchmarks.render

# the environment of deploy/airflow, apart from that of the project
airflow: $(AIRFLOW)/.installed

$(AIRFLOW)/.installed: deploy/airflow/requirements.txt deploy/airflow/constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 && py=$(PYTHON) || py=python3; test -x $(AIRFLOW)/bin/python || $$py -m venv $(AIRFLOW)
	@$(AIRFLOW)/bin/python -m pip install --quiet --disable-pip-version-check -c deploy/airflow/constraints.txt \
		-r deploy/airflow/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(AIRFLOW) $(TYPES) build dist docs/_build .viz .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find data -type f ! -name .gitkeep ! -path 'data/01_raw/*' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
