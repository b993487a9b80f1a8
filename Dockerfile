# The sidecar's image: Python, the program, and nothing to build with.
#
#   docker build -t beamwarden .
#   docker build -t beamwarden --build-arg BASE=debian:trixie-slim-with-python .
#
# BASE is any Debian-like image that has python3, 3.11 or newer, for the platform that it is built for. Both stages
# stand on it, so that what was installed beside one Python runs beside the same one.
ARG BASE=python:3.13-slim-bookworm

# ------------------------------------------------------------------------------------------------------------ build
FROM ${BASE} AS build
# For those who have an index of packages of their own, or a proxy whose authority BASE knows (a file in it).
ARG PIP_INDEX_URL
ARG PIP_CERT
# An image of Python has venv; Debian's own Python has it in a package of its own.
RUN python3 -c 'import ensurepip' 2>/dev/null || { \
        apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; }
# The program's environment has no pip: nothing can be installed where it runs.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/beamwarden
WORKDIR /source
# Before the program itself, since they change less often. Wheels alone, for there is no compiler here.
COPY requirements/run.txt requirements/build.txt requirements/
RUN pip="/opt/build/bin/pip --disable-pip-version-check --no-cache-dir" && \
    $pip install --no-deps --require-hashes --only-binary :all: -r requirements/build.txt && \
    $pip --python /opt/beamwarden/bin/python install \
        --no-deps --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY agent agent
COPY collector collector
# pip compiles what it installs, so that a start has nothing to compile, also where nothing can be written.
RUN pip="/opt/build/bin/pip --disable-pip-version-check --no-cache-dir" && \
    $pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /opt/build/wheels . && \
    $pip --python /opt/beamwarden/bin/python install --no-deps --no-index /opt/build/wheels/*.whl

# ------------------------------------------------------------------------------------------------------------ image
FROM ${BASE}
LABEL org.opencontainers.image.title="beamwarden" \
      org.opencontainers.image.description="Asks an Erlang node what is wrong with it, as a sidecar, without harming it." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# A name for the user, so that a shell has a prompt; and two folders that it may write to: the journal, and what lives
# as long as the program. In a read-only root file system, mount both in memory.
RUN echo 'beamwarden:x:65532:65532:Beamwarden:/var/lib/beamwarden:/bin/sh' >> /etc/passwd && \
    echo 'beamwarden:x:65532:' >> /etc/group && \
    mkdir -m 700 /var/lib/beamwarden /run/beamwarden && chown 65532:65532 /var/lib/beamwarden /run/beamwarden
COPY --from=build /opt/beamwarden /opt/beamwarden
# Where every shell looks, also one that is not told the image's environment.
RUN ln -s /opt/beamwarden/bin/beamwarden /usr/local/bin/beamwarden
# BEAMWARDEN_STAY: on Cloud Run a container that ends takes its instance along, so wrong settings end nothing.
ENV BEAMWARDEN_LISTEN=0.0.0.0:9750 \
    BEAMWARDEN_STAY=true \
    BEAMWARDEN_JOURNAL=/var/lib/beamwarden/journal.db \
    BEAMWARDEN_SHELL_TOKEN_FILE=/run/beamwarden/shell.token \
    PYTHONDONTWRITEBYTECODE=1
# By number: "may not run as root" is checked by it.
USER 65532:65532
WORKDIR /var/lib/beamwarden
EXPOSE 9750
# Of the program alone, never of the node: who would restart this program because a node is ill?
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/opt/beamwarden/bin/python", "-m", "collector.liveness"]
ENTRYPOINT ["beamwarden"]
CMD ["serve"]
