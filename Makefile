# What there is to do: `make help`. POSIX make; Linux and macOS, Python 3.11 or newer. No root, no Docker, no database.

# uv where there is one that works, else our own in .uv: `make install` brings it.
UV = $$(uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
# .env, where there is one, sets what .env.example shows. Where PYTHONDONTWRITEBYTECODE is set, every process would
# compile anew what it imports.
RUN = env -u PYTHONDONTWRITEBYTECODE $(UV) run --frozen --all-extras --no-sync $$([ -f .env ] && echo --env-file .env)
PYTHON = python3
STAMP = .venv/.installed

.NOTPARALLEL:
.PHONY: help install demo up test check lint safe bench soak day docker-test pictures clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

install: $(STAMP) ## install everything into .venv, from the lock

demo: $(STAMP) ## everything on a made-up market, without network; Ctrl-C stops it
	@$(RUN) python -m demo $(DEMO)

up: $(STAMP) ## collect from Hyperliquid, with Dagster; data stay in .data
	@$(RUN) python -m demo --mainnet $(UP)

test: $(STAMP) ## every test, on a real database
	@$(RUN) pytest -n 3 --dist loadfile

lint: $(STAMP) ## format, lint, types, import contracts
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) pyright
	@$(RUN) lint-imports

safe: $(STAMP) ## no secret in what is tracked, every package locked by its hash, no known hole, bills of materials
	@$(RUN) python scripts/scan_secrets.py
	@$(RUN) python scripts/audit.py "$(UV)"
	@scripts/sbom.sh .cache/sbom "$(UV)"

check: lint safe test ## what CI runs: lint, safe, then test

bench: $(STAMP) ## the benchmarks, a JSON line a figure
	@$(RUN) python -m benchmarks

soak: $(STAMP) ## seven market days of faults and kills against the truth; 17 minutes
	@$(RUN) python -m benchmarks.soak $(SOAK)

day: $(STAMP) ## a market day in which every part dies and comes back, against one pass; 26 minutes
	@$(RUN) python -m benchmarks.day $(DAY)

docker-test: $(STAMP) ## build the containers, start them, kill each in turn; needs Docker and root
	@BTC_TEST_DOCKER=1 $(RUN) pytest tests/e2e/test_docker.py tests/e2e/test_nas_page.py -s

pictures: $(STAMP) ## take the pictures of the documents anew; needs Chromium
	@$(RUN) python scripts/screenshots.py

clean: ## remove what was installed and cached; .data, .env and our uv stay
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Once, and when what is to be installed has changed. Bytecode is compiled: pyproject.toml says so.
$(STAMP): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: $(PYTHON) is missing or older than 3.11: install Python 3.11 or newer, or say make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@$(UV) --version >/dev/null 2>&1 || { $(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv; }
	@$(UV) sync --frozen --all-extras --python "$(PYTHON)"
	@touch $(STAMP)
