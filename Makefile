# The factory's commands. A fresh machine needs Python 3.11 or newer and git; everything else is installed into .venv.
.PHONY: bench-money chaos-money bench-web bench-work demo run init install install-dev test test-full drill e2e shots check api
PY = .venv/bin/python
# --idea "$IDEA" when IDEA was given, also an empty one; the shell takes its text from the environment, so quotes are safe
given = $(if $(filter undefined,$(origin $(1))),,--$(shell echo $(1) | tr A-Z a-z) "$$$(1)")

# the hundreds of processes a test run starts read what the first of them compiled
unexport PYTHONDONTWRITEBYTECODE

# AGAIN=1: only the tests that failed last, one after the other
pytest = $(PY) -m pytest $(if $(AGAIN),--last-failed --last-failed-no-failures=none,--cache-clear)
beside = $(if $(AGAIN),,-n 3 --dist loadfile --no-loadscope-reorder)

# PROFILE=full: on PostgreSQL and Redis, with web, workers and beat as processes of their own
on = $(if $(filter full,$(PROFILE)),scripts/services up && eval "$$(scripts/services env $(1))" &&)

demo: install ## one idea from signals to a live product, in rehearsal
	@$(call on,demo) FACTORY_MODE=rehearsal FACTORY_HOME=var/demo$(addprefix -,$(PROFILE)) $(PY) manage.py factory demo --fresh $(if $(EXIT),--exit) $(call given,PRODUCT) $(call given,IDEA)

run: install ## the factory as a service on http://localhost:8000
	@$(call on) $(PY) manage.py factory run

init: install ## a model key, a limit a day, your time zone, who is on: one screen of questions, nothing starts
	@$(PY) manage.py factory init

install: ## the environment and .venv/bin/factory
	@scripts/install requirements.txt

install-dev:
	@scripts/install requirements-dev.txt

test: install-dev ## what people rely on, on SQLite, no service needed
	@FACTORY_MODE=rehearsal FACTORY_HOME=var/test $(pytest) $(beside)

test-full: install-dev ## the same on PostgreSQL and Redis, with workers as processes of their own
	@export THROW_AWAY=1; scripts/services up && eval "$$(scripts/services env)" && FACTORY_MODE=rehearsal FACTORY_HOME=var/test-full $(pytest) $(beside)

drill: install-dev ## a factory under fire in both profiles, then the slow proofs; prints what was lost
	@$(PY) -m tests.drill --profile embedded
	@scripts/services up && eval "$$(scripts/services env)" && $(PY) -m tests.drill --profile full
	@FACTORY_MODE=rehearsal FACTORY_HOME=var/test $(PY) -m pytest -m drill -n 2 --dist worksteal -o faulthandler_timeout=1800

bench-work: install-dev var/bench-venv ## our queue beside Celery's and DBOS's: one run, one table
	@scripts/services up && eval "$$(scripts/services env bench)" && $(PY) -m bench.work

var/bench-venv: bench/requirements-work.txt
	@.venv/bin/uv venv -q --clear --python $(PY) $@ && .venv/bin/uv pip install -q --python $@/bin/python --require-hashes -r $<

e2e: install-dev ## every page before a real browser
	@scripts/services install
	@FACTORY_MODE=rehearsal FACTORY_HOME=var/test $(pytest) -m e2e tests/e2e

shots: install-dev ## pictures of every page in var/shots, and those of the README
	@$(PY) scripts/shots

api: install-dev ## the OpenAPI document, written down
	@FACTORY_HOME=var/check $(PY) manage.py spectacular --validate --fail-on-warn --file docs/api.yaml

bench-money: install-dev ## what a cap of a dollar lets through, ours beside others', and what a hold costs, on both databases
	@scripts/services up && $(PY) -m bench.money && eval "$$(scripts/services env money)" && $(PY) -m bench.money

N ?= 1000000
chaos-money: install-dev ## N random calls on each database, with kills, lies and midnights, against the provider's own count
	@scripts/services up; code=0; $(PY) -m bench.chaos_money --calls $(N) || code=1; eval "$$(scripts/services env money)"; $(PY) -m bench.chaos_money --calls $(N) || code=1; exit $$code

bench-gateway: install-dev ## what a model call costs whoever makes it: httpx, the SDKs, ours in process and over HTTP
	@$(PY) bench/gateway.py

bench-web: install-dev ## server time of every page with a long past behind it, on both databases
	@scripts/services up && eval "$$(scripts/services env web)" && $(PY) bench/web.py

check: install-dev ## style, types, the order of the house, deployment settings, migrations
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@$(PY) scripts/docs --check
	@.venv/bin/djade --check $$(git ls-files 'templates/*.html')
	@FACTORY_HOME=var/check FACTORY_HTTPS=true $(PY) manage.py check --deploy --fail-level WARNING
	@FACTORY_HOME=var/check $(PY) manage.py makemigrations --check --dry-run
