# The site with its model: what serving needs, no training, no tests. docs/operate/install.md says how to run it.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /build
COPY requirements-uv.txt requirements.txt ./
# What installs stays behind, and so does what only a compiler reads of TensorFlow: half a gigabyte.
RUN python -m venv /uv \
    && /uv/bin/pip install --require-hashes -r requirements-uv.txt \
    && python -m venv --without-pip /venv \
    && /uv/bin/uv pip install --python /venv/bin/python --require-hashes --compile-bytecode -r requirements.txt \
    && rm -r /venv/lib/python3.11/site-packages/tensorflow/include /venv/lib/python3.11/site-packages/clang

FROM python:3.11-slim-bookworm
# Nothing is written at run time, so the root file system may be read-only.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 LOG_FORMAT=json
WORKDIR /site
# The base image holds the time zones, for TZ; without them each would silently be UTC.
RUN test -f /usr/share/zoneinfo/Asia/Almaty \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin site
COPY --from=build /venv /venv
COPY model_store model_store
# Converted here, where TensorFlow may run; a container that serves never imports it. Each of them, so that going back to
# an older one is a setting.
ENV SKIN_CACHE=/var/cache/skin-check
RUN for bundle in model_store/bundles/*/*/; do \
        python -m model_store build --bundle "$bundle" --cache "$SKIN_CACHE" || exit 1; \
    done
COPY app app
COPY templates templates
COPY static static
COPY wsgi.py gunicorn.conf.py gunicorn_worker.py ./
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/readyz\", timeout=4)"]
CMD ["gunicorn", "--config", "gunicorn.conf.py", "wsgi"]
