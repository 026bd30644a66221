# `make help` lists the targets. A fresh machine needs Python 3.11, make and git; everything else goes into .venv.
.DEFAULT_GOAL := help
.PHONY: help serve test bench bench-train lint lock train-smoke screenshots clean browser translations fuzz load audit sbom services

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --require-hashes
BANDIT = $(BIN)/bandit --quiet --recursive -ll app model_store wsgi.py gunicorn_worker.py
LOCK = $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --python-platform linux \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

help: ## List these targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

serve: $(VENV)/.serving ## Set up what is missing, convert the network once, serve on http://127.0.0.1:$PORT (8000).
	@case "$$SKIN_ENGINE" in ""|auto|openvino) $(BIN)/python -m model_store build \
		--bundle "$${SKIN_BUNDLE:-efficientnet_b4_isic2019}" --cache "$${SKIN_CACHE:-$$HOME/.cache/skin-check}" || true; esac
	$(BIN)/gunicorn --config gunicorn.conf.py wsgi

test: $(VENV)/.dev $(VENV)/.scorer browser services lint ## Set up what is missing, then run the checks and every test.
	$(BIN)/pytest --numprocesses 2 --dist loadfile -rs

bench: $(VENV)/.dev ## Measure engines, a whole request, throughput, start and memory, into benchmarks/results.json.
	$(BIN)/python -m benchmarks

lint: $(VENV)/.dev ## Check the code's style, and what serves for unsafe constructs.
	$(BIN)/ruff check .
	$(BANDIT)

audit: $(VENV)/.dev ## Look for unsafe constructs, and for known weaknesses of the pinned packages (needs the internet).
	$(BANDIT)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt

sbom: $(VENV)/.dev ## Write what serving is made of into sbom.json (CycloneDX).
	$(BIN)/cyclonedx-py requirements requirements.txt --output-reproducible \
		--output-format JSON --output-file sbom.json

train-smoke: $(VENV)/.training ## Go through all of training on a few generated images, into runs/smoke.
	rm -rf runs/smoke
	$(BIN)/python -m training reproduce --config smoke --run runs/smoke --cache runs/smoke/cache --bundles runs/smoke/bundles

bench-train: $(VENV)/.training ## Time reading, augmentation and compute of a recipe's stages (CONFIG=progressive DATA=DIR; ARGS).
	$(BIN)/python -m training bench $(if $(CONFIG),--config $(CONFIG) --out benchmarks,--config smoke) \
		$(if $(DATA),--data $(DATA)) $(ARGS)

fuzz: $(VENV)/.dev ## Decode 20,000 damaged photos: each must be read or refused within 1 s and 300 MB.
	$(BIN)/python -m tests.fuzz $(ARGS)

load: $(VENV)/.dev ## Ask the served site 10,000 times from 64 clients; writes benchmarks/load.json.
	$(BIN)/python -m tests.load $(ARGS)

screenshots: $(VENV)/.dev browser ## Take the pictures in docs/screenshots/ again, from the real pages: PHOTO=lesion.jpg.
	@test -f "$(PHOTO)" || { echo "Give a photo that the shipped model can judge: make screenshots PHOTO=lesion.jpg"; exit 2; }
	$(BIN)/pytest tests/browser/test_screenshots.py --screenshots docs/screenshots --photo "$(PHOTO)"

translations: $(VENV)/.serving ## Bring app/translations/ up to date with the English texts; new ones wait for a translator.
	$(BIN)/pybabel --quiet extract --mapping app/babel.cfg --keywords _l --keywords lazy_gettext \
		--add-location file --output $(VENV)/messages.pot .
	for language in kk ru; do \
		$(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 100 \
			--input-file $(VENV)/messages.pot --output-dir app/translations --locale $$language || exit; \
	done

lock: $(VENV)/.uv ## Pin requirements*.in into requirements*.txt, with hashes; UPGRADE=--upgrade takes newer releases.
	$(LOCK) $(UPGRADE) requirements-uv.in --output-file requirements-uv.txt
	$(LOCK) $(UPGRADE) requirements.in --output-file requirements.txt
	$(LOCK) $(UPGRADE) requirements-training.in --output-file requirements-training.txt
	$(LOCK) $(UPGRADE) requirements-lite2.in --output-file requirements-lite2.txt
	$(LOCK) $(UPGRADE) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) $(UPGRADE) requirements-scorer.in --output-file requirements-scorer.txt

clean: ## Remove .venv and what the tools left behind.
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is newer than the requirements that it stands for, so a second start installs nothing.
$(VENV)/.uv: requirements-uv.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	touch $@

$(VENV)/.serving: $(VENV)/.uv requirements.txt
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/.training: $(VENV)/.serving requirements-training.txt
	$(INSTALL) -r requirements-training.txt
	touch $@

$(VENV)/.dev: $(VENV)/.training requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@

# The ISIC challenges' own scorer needs an older pandas than training does.
$(VENV)/.scorer: $(VENV)/.uv requirements-scorer.txt
	$(PYTHON) -m venv $(VENV)/scorer
	$(BIN)/uv pip install --python $(VENV)/scorer/bin/python --require-hashes -r requirements-scorer.txt
	touch $@

# The browser tests need Chromium; they are skipped, and say so, where it is missing and cannot be installed.
browser:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	fi

# The tests of the limits need Redis, those of the alerts Prometheus's promtool; skipped, and said, where they are missing.
services:
	@if ! { command -v redis-server && command -v promtool; } >/dev/null && [ "$$(id -u)" = 0 ] \
		&& command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends redis-server prometheus >/dev/null; \
	fi
