# syntax=docker/dockerfile:1
# The image of `mailgap`. Written where no container engine runs: each command below was tried in a virtual environment
# of the same Python, but the image itself has not been built yet.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# The dependencies first: they change more rarely than the code. pip refuses every file whose hash is not in the lock.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --no-deps -r requirements/build.txt \
 && python -m venv --without-pip /opt/mailgap \
 && pip --python /opt/mailgap/bin/python install --require-hashes --no-deps -r requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY service/ service/
COPY topologies/ topologies/
COPY deploy/runbooks/ deploy/runbooks/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && pip --python /opt/mailgap/bin/python install --no-deps /dist/mailgap-*.whl

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="mailgap" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/mailgap/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/mailgap /opt/mailgap
# A number, so that Kubernetes can see that it is not root (runAsNonRoot). It owns nothing and writes nothing.
USER 10001:10001
WORKDIR /tmp
# Metrics and health, where MAILGAP_HTTP_BIND says so; the default listens on the loopback interface only.
EXPOSE 9750
ENTRYPOINT ["mailgap"]
