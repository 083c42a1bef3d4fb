# One image, three commands (docker-compose.yml): the receiver (default), the worker, the console.
# The base is chosen by its digest, of all platforms; another one: --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm
ARG PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:ed86c82274b3c69b52fb5820f358f0bd7df0b603332063cb5c6e32bd220c3e6e

FROM ${PYTHON_IMAGE} AS packages
COPY requirements.lock ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8000
COPY --from=packages /venv /venv
WORKDIR /app
# .dockerignore is an allow-list: this copies the packages that run in production and nothing else.
COPY . .
RUN python -m compileall -q .
# Which commit it is of: --build-arg COGENTO_COMMIT=$(git rev-parse HEAD). Last, for all before it is the same for every commit.
ARG COGENTO_COMMIT=
ENV COGENTO_COMMIT=${COGENTO_COMMIT}
LABEL org.opencontainers.image.title="Cogento Stripe sync" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.revision=${COGENTO_COMMIT}
# A number, so that an orchestrator can see that it is not root. Nothing in the image is its own:
# the file system may be read-only, with a tmpfs at /tmp.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=2)"]
# No shell in between: SIGTERM reaches gunicorn, which finishes what it has begun.
CMD ["gunicorn", "--config", "receiver/gunicorn_conf.py", "receiver.asgi:app"]
