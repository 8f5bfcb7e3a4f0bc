# syntax=docker/dockerfile:1
# The image of `mailgap`. tests/image plays these instructions, one by one, where no container engine is.
#
#   docker build -t mailgap .
#   docker buildx imagetools inspect python:3.11.14-slim-bookworm           prints the digest of the base, for:
#   docker build -t mailgap --build-arg PYTHON=python@sha256:<digest> .     pinned to the byte
# (No image registry can be reached where this file is written, so it names the base by its version only.)
#   docker build -t mailgap --build-arg HTTPS_PROXY=http://proxy:3128 --build-arg PIP_INDEX_URL=https://... .
#   docker build -t mailgap --secret id=pip.conf,src=$HOME/.config/pip/pip.conf .     an index with credentials
#   docker run --read-only --cap-drop ALL -e MAILGAP_BOOTSTRAP_SERVERS=kafka:9092 mailgap worker ...
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
# Empty ones are no addresses to pip. Neither they nor the secret reach the final image.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# The first process must hand signals on and bury orphans; this one needs no library.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*

# The dependencies first: they change more rarely than the code. pip refuses every file whose hash is not in the lock.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --no-deps -r requirements/build.txt \
 && python -m venv --without-pip /opt/mailgap \
 && /opt/build/bin/pip --python /opt/mailgap/bin/python install --require-hashes --no-deps -r requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY service/ service/
COPY topologies/ topologies/
# The trace page shows them.
COPY deploy/runbooks/ deploy/runbooks/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/build/bin/pip --python /opt/mailgap/bin/python install --no-index --no-deps /dist/mailgap-*.whl \
 && cp /usr/bin/tini-static /opt/mailgap/bin/tini

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mailgap" \
      org.opencontainers.image.description="Joins SMTP logs and Amazon SES events on Kafka, and finds the mails that went missing" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/mailgap/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Nothing is installed in a running container; what can install is one thing less to watch.
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel
COPY --from=build /opt/mailgap /opt/mailgap
# A number, so that Kubernetes can see that it is not root (runAsNonRoot). It owns nothing, and writes to /tmp at most.
USER 10001:10001
WORKDIR /tmp
# Metrics and health, where MAILGAP_HTTP_BIND says so; the default listens on the loopback interface only.
EXPOSE 9750
STOPSIGNAL SIGTERM
# For engines without probes of their own. Commands that end by themselves are over before it is first asked.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('MAILGAP_HTTP_BIND', '127.0.0.1:9750').rpartition(':')[2] + '/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--", "mailgap"]
CMD ["--help"]
