# Each target is the whole of what has to be typed, also on a fresh machine: see README.md.
# Arguments go through ARGS, for example: make test ARGS="tests/sessions -x"

python := .venv/bin/python
ARGS ?=

.PHONY: run test test-fast test-all test-long test-cluster drill drill-data bench bench-quick lint format requirements setup-run setup-test \
	setup-bench

# The portal with everything that belongs to it, at http://localhost:8000
run: setup-run
	@exec $(python) manage.py up $(ARGS)

# All tests but the cluster's and the long ones; what depends on a database on PostgreSQL, too
test: setup-test
	@exec bin/test $(ARGS)

# What needs no server, no browser and no whole portal: two minutes
test-fast: setup-test
	@exec bin/test --fast $(ARGS)

# As `test`, and everything that has a database once more on PostgreSQL and Redis
test-all: setup-test
	@exec bin/test --all $(ARGS)

# What the checks have no time for: run it when you change what it covers
test-long: setup-test
	@exec bin/test --long $(ARGS)

# The tests that need a disposable Kubernetes cluster, named by KUBECONFIG
test-cluster: setup-test
	@exec bin/test-cluster $(ARGS)

# Ten minutes of people at work while parts of the portal are killed, and whether all came out right
drill: setup-test
	@exec bin/drill $(ARGS)

# Twenty minutes of people who write files while everything goes wrong, and whether all are there
drill-data: setup-test
	@exec bin/drill --data $(ARGS)

# How fast it is, beside JupyterHub and configurable-http-proxy in the same run: a quarter of an hour
bench: setup-bench
	@exec $(python) -m bench $(ARGS)

# The same, rougher, in two minutes
bench-quick: setup-bench
	@exec $(python) -m bench --quick $(ARGS)

lint: setup-test
	@exec bin/lint

# Puts the code into the shape that `make lint` asks for
format: setup-test
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

# Pins the newest versions that requirements*.in allow
requirements: setup-test
	bin/requirements

setup-run:
	@bin/setup run

setup-test:
	@bin/setup test

setup-bench:
	@bin/setup bench
