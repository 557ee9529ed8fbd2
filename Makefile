# Smart Derma on Debian or Ubuntu with Python 3.11. `make help` lists the commands.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered
export PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help run install css messages lint format test test-full load clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

run: python ## Install what is missing and start the site (PORT=8123 chooses another port)
	@exec $(PYTHON) -m deploy.run

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is missing: install it with apt-get install python3.11 python3.11-venv."; exit 1; }

install: python ## Install everything that development and tests need
	@$(PYTHON) -m deploy.install dev
	@$(PY) -m deploy.messages

css: install ## Build the style sheet
	@$(PY) -m deploy.css

messages: install ## Collect the texts that need a translation into locale/*/LC_MESSAGES/django.po
	@$(PY) -m deploy.collect

lint: install ## Check the code without changing it
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m djlint templates --lint --quiet
	$(PY) -m mypy
	$(PY) manage.py makemigrations --check --dry-run --settings tests.settings

format: install ## Put the code into the one form
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

test: lint css ## Linters, migrations check, all tests but the long ones, coverage
	$(PYTEST)

test-full: lint css ## The same with the long tests
	$(PYTEST) -m ""

load: install ## Upload to stored result beside the stack of the paper; about four minutes (LOAD="--write" documents it)
	$(PY) -m tests.load.run $(LOAD)

clean: ## Remove what was installed and built; var/ (your data) stays
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis htmlcov static/build locale/*/LC_MESSAGES/*.mo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
