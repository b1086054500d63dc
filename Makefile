# make book   build the book            make test       test dmlkit and the notebooks' sources
# make serve  read it at localhost      make test-book  test the built pages in a real browser
# make lint   check style               make bench      measure speed and memory anew (many minutes)
# make clean  remove what was built     make test-packs  test on real images too (folder DMLKIT_PACKS, minutes)
# make test-notebooks  run every notebook as a reader does (minutes); ONLY="forces softening" for some of them
#
# Each makes .venv and installs what it needs first; again, it is quick.

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
BOOK := _build/html/index.html

.PHONY: book test test-book test-packs test-notebooks bench serve lint format address constraints clean

# One thread: the chapters' networks are small, and on a busy machine threads that wait for each other take minutes.
book: $(VENV)/.book
	OMP_NUM_THREADS=1 $(BIN)/jupyter-book build . -W --keep-going
	@echo "The book is ready: open $(CURDIR)/$(BOOK)"

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal
	@echo "All tests passed."

test-book: $(VENV)/.dev
	@test -f $(BOOK) || { echo "There is no built book yet: run 'make book' first."; exit 1; }
	$(BIN)/python -m pytest -m "browser and not timed" -n auto --dist worksteal tests/book
	$(BIN)/python -m pytest -m "browser and timed" tests/book

test-packs: $(VENV)/.dev
	@test -n "$$DMLKIT_PACKS" || { echo "Name the folder with the packs of real images: make test-packs DMLKIT_PACKS=/path/to/packs"; exit 1; }
	DMLKIT_PACKS="$$DMLKIT_PACKS" $(BIN)/python -m pytest -m "not browser"

# Not a step of .ci/run, whose `make book` executes the same notebooks, with all that the build has installed. Here a
# fresh environment has only what a reader installs, and no data: what a chapter needs besides is found missing.
test-notebooks: $(VENV)/.book
	$(BIN)/python tools/run_notebooks.py $(if $(ONLY),--only $(ONLY))

bench: $(VENV)/.dev
	set -e; for script in tests/benchmarks/bench_*.py; do $(BIN)/python $$script; done

serve: book
	@echo "Reading at http://localhost:$(PORT), stop with Ctrl-C"
	$(BIN)/python -m http.server $(PORT) --bind localhost --directory _build/html

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id $$(git ls-files '*.ipynb')
	$(BIN)/python tools/address.py --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout --keep-id $$(git ls-files '*.ipynb')

# Carry the public address from _config.yml, and the version from dmlkit, to where they must be spelled out.
address: $(VENV)/.dev
	$(BIN)/python tools/address.py

# Pin anew what the packages of requirements-dev.txt bring along, for Python 3.11 to 3.13 on every platform.
constraints: $(VENV)/.dev
	$(BIN)/pip install --quiet uv
	: > constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-package dmlkit --no-annotate --no-header \
		requirements-dev.txt --output-file constraints.txt

clean:
	rm -rf _build build dmlkit.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/.book: requirements.txt constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found: install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.book requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
