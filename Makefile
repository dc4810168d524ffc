# Each target needs no other command before it, even on a fresh machine: see README.md.
# Pass arguments in ARGS, for example: make test ARGS="tests/sessions -x"

python := .venv/bin/python
ARGS ?=

# Some images set this for all programs. Each process would then compile all that it imports: a
# command takes twice as long, and pytest rewrites every assertion in each of its processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-fast test-all test-long test-cluster drill drill-data bench bench-quick lint format manifests requirements setup-run setup-test \
	setup-bench

# Run the whole portal at http://localhost:8000
run: setup-run
	@exec $(python) manage.py up $(ARGS)

# Run all but the cluster and long tests; those that depend on a database also on PostgreSQL
test: setup-test
	@exec bin/test $(ARGS)

# Run the tests that need no server, no browser and no whole portal: two minutes
test-fast: setup-test
	@exec bin/test --fast $(ARGS)

# Like `test`, but run every test that uses a database on PostgreSQL and Redis as well
test-all: setup-test
	@exec bin/test --all $(ARGS)

# Run the tests that are too long for CI; do so when you change what they cover
test-long: setup-test
	@exec bin/test --long $(ARGS)

# Run the tests that need a disposable Kubernetes cluster (KUBECONFIG)
test-cluster: setup-test
	@exec bin/test-cluster $(ARGS)

# Simulate ten minutes of people at work while parts of the portal are killed, then check everything
drill: setup-test
	@exec bin/drill $(ARGS)

# Simulate twenty minutes of people writing files while everything goes wrong, then check each file
drill-data: setup-test
	@exec bin/drill --data $(ARGS)

# Measure the portal against JupyterHub and configurable-http-proxy: a quarter of an hour
bench: setup-bench
	@exec $(python) -m bench $(ARGS)

# Measure more roughly, in two minutes
bench-quick: setup-bench
	@exec $(python) -m bench --quick $(ARGS)

# Run all static checks
lint: setup-test
	@exec bin/lint

# Format the code as `make lint` requires
format: setup-test
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

# Render the plain manifests of deploy/kubernetes and deploy/prometheus from the chart
manifests: setup-test
	$(python) deploy/kubernetes/render.py

# Pin the newest versions that requirements*.in allow
requirements: setup-test
	bin/requirements

setup-run:
	@bin/setup run

setup-test:
	@bin/setup test

setup-bench:
	@bin/setup bench
