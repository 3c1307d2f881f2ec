# The server as a container: docker build --tag mockserver . && docker run --rm --publish 127.0.0.1:8207:8207 mockserver
#
# It needs no writable path and no network of its own, so --read-only --cap-drop ALL changes nothing. `MOCKSERVER_SERVE_…`
# variables set its flags; arguments after the image name are flags too.
#
# A build that is the same tomorrow names the base image by its digest, which `docker buildx imagetools inspect
# python:3.13-slim` prints: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:… All packages are installed from
# .container/*.txt, with hashes. No build argument is a secret: those stay in the image's history. Give a running
# container its admin token as a file, see docs/explanation/security.md.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY .container/build-requirements.txt ./
RUN python3 -m venv --without-pip /opt/build \
    && python3 -m pip --python /opt/build/bin/python3 install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement build-requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY mockserver mockserver
COPY contracts contracts
RUN python3 -m pip --python /opt/build/bin/python3 wheel --no-cache-dir --no-deps --no-index --no-build-isolation \
        --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS environment
COPY .container/requirements.txt ./
RUN python3 -m venv --without-pip /opt/mockserver \
    && python3 -m pip --python /opt/mockserver/bin/python3 install --no-cache-dir --no-compile --only-binary :all: \
        --require-hashes --requirement requirements.txt
COPY --from=wheel /wheels /wheels
# Bytecode that is never checked against its source survives builders that rewrite the times of files.
RUN python3 -m pip --python /opt/mockserver/bin/python3 install --no-cache-dir --no-compile --no-deps --no-index \
        /wheels/*.whl \
    && python3 -m pip --python /opt/mockserver/bin/python3 check \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/mockserver/lib

FROM ${PYTHON_IMAGE}
COPY --from=environment /opt/mockserver /opt/mockserver
ENV PATH=/opt/mockserver/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MOCKSERVER_SERVE_HOST=0.0.0.0
# Python's official images come without bytecode of the standard library, and a read-only container could not keep any:
# one start here leaves that of the modules that starts and health checks need.
RUN unset PYTHONDONTWRITEBYTECODE; mockserver serve & mockserver ready --wait && kill -TERM $! && wait $!

ARG PYTHON_IMAGE
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="mockserver" \
      org.opencontainers.image.description="A mock and contract-testing server for the Outlit, Apex and Whisperr event-ingestion APIs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

USER 65532:65532
EXPOSE 8207
STOPSIGNAL SIGTERM
# Without a URL, `ready` asks where `serve` listens by the same environment, a changed port included.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["mockserver", "ready"]
ENTRYPOINT ["mockserver", "serve"]
