# Every target does its own set-up in one virtual environment, .venv; a second call finds it ready.
SHELL := /bin/sh
PY := .venv/bin/python
STAMP := .venv/.ready
# As many processes as there are cores; each has a MariaDB and a moto of its own, hence no more than four.
WORKERS := --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: setup demo screenshot test faults chaos idle lint format bench bench-large lock install uninstall check-install check-systemd clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml scripts/make-venv
	./scripts/make-venv

# Ends with the dashboard up on a fleet that goes on, until Ctrl-C: `make demo ARGS='--port 8001'`, or ARGS=--once without.
demo: $(STAMP)
	.venv/bin/servicemanager demo $(ARGS)

# The picture in the README, anew: the demo's own time has to pass, about eight minutes.
screenshot: $(STAMP)
	./scripts/ensure-chromium
	$(PY) scripts/screenshot.py

test: $(STAMP)
	./scripts/ensure-mariadb
	./scripts/ensure-checkers
	./scripts/ensure-percona
	./scripts/ensure-faketime
	./scripts/ensure-promtool
	./scripts/ensure-chromium
	./scripts/ensure-java
	.venv/bin/pytest $(WORKERS) $(ARGS)

lint: $(STAMP)
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: $(STAMP)
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

# All parts, or some of them: `make bench ARGS="export statistics"`.
bench: $(STAMP)
	./scripts/ensure-mariadb
	./scripts/ensure-percona
	$(PY) -m benchmarks $(ARGS)

# From a million readings to fifty: an hour or more, by the disk, and 30 GiB.
bench-large: $(STAMP)
	./scripts/ensure-mariadb
	./scripts/ensure-percona
	$(PY) -m benchmarks.large

# Pin anew, to the newest versions that pyproject.toml allows: all for the developers, and of the same versions what an
# installation needs. Needs uv.
PIN := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-annotate --custom-compile-command "make lock" --quiet
lock:
	$(PIN) --group pyproject.toml:dev pyproject.toml --output-file requirements.lock
	$(PIN) --group pyproject.toml:build pyproject.toml --constraint requirements.lock \
	  --output-file packaging/requirements.lock

# The service, for this machine: docs/how-to/install.md. PREFIX, DESTDIR and others are in scripts/install-paths.
install:
	./scripts/install

uninstall:
	./scripts/uninstall

# Install for real into a folder, use it, upgrade it, remove it: a minute or two, and no trace left.
check-install:
	./scripts/check-install

# The same service under a real systemd, in a container of systemd-nspawn. Needs root.
check-systemd: $(STAMP)
	./scripts/ensure-mariadb
	command -v systemd-nspawn >/dev/null || ./scripts/install-package systemd-container
	$(PY) scripts/check_systemd.py

clean:
	rm -rf .venv servicemanager-data servicemanager-demo

# The enumeration of faults at every single step, where `make test` takes every few: about an hour.
faults: $(STAMP)
	./scripts/ensure-mariadb
	FAULTS=all .venv/bin/pytest $(WORKERS) tests/faults $(ARGS)

# What the service costs while it has nothing to do: ten minutes.
idle: $(STAMP)
	./scripts/ensure-mariadb
	$(PY) -m benchmarks.idle

# Faults at random on a cluster at work: `make chaos FAULTS=300 SEED=1 LEASE=3 INSTANCES=2`; GALERA=3 for three nodes.
chaos: $(STAMP)
	./scripts/ensure-mariadb
	./scripts/ensure-faketime
	$(PY) -m benchmarks.chaos
