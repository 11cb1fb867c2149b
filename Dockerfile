# Pipeline and API: Dagster's three processes, the live lane, the command line, REST and dashboard.
#   docker build -t btc-pipeline .
#   docker build --build-arg NO_AVX=1 -t btc-pipeline .        for a processor without AVX (docs/operations.md)
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# The system's certificates, so that a base image with a company's own works too.
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock ./
# Without AVX the usual build of Polars dies at import; this one is of the same version and gives the same candles.
ARG NO_AVX=
RUN UV_PROJECT_ENVIRONMENT=/opt/btc UV_LINK_MODE=copy UV_NO_CACHE=1 /opt/uv/bin/uv sync \
    --frozen --no-default-groups --no-install-project --extra api --extra pipeline ${NO_AVX:+--group no-avx} \
    --python /usr/bin/python3
COPY . .
# Compiled once, as nothing can be written where it runs.
RUN /opt/btc/bin/python -m compileall -q . \
 && mkdir -p .data && chown -R 10001:10001 .data \
 && printf '#!/bin/sh\nexec python -m btc_assets.cli "$@"\n' >/opt/btc/bin/btc && chmod 755 /opt/btc/bin/btc

FROM ${BASE}
ARG BASE
LABEL org.opencontainers.image.title="btc-pipeline" \
      org.opencontainers.image.description="Candles, indicators, decisions and backtests as Dagster assets; REST and dashboard" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}"
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=build /opt/btc /opt/btc
COPY --from=build /app /app
WORKDIR /app
# NumPy's OpenBLAS takes some processors without AVX for newer ones: name what each of them can do.
ARG NO_AVX=
ENV OPENBLAS_CORETYPE=${NO_AVX:+NEHALEM}
# On a small machine memory is what is short: two arenas a process, and no thread that two processors have no use for.
ENV PATH=/opt/btc/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 DAGSTER_HOME=/app MPLCONFIGDIR=/tmp \
    MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 POLARS_MAX_THREADS=2 \
    NUMBA_CACHE_DIR=/app/.data/numba NUMBA_CPU_NAME=generic
USER 10001:10001
# The simulator, compiled for every processor of this architecture: whoever uses it starts 12 s sooner, 50 MB smaller.
RUN python -c "from btc_core import paper; paper.warm_up()"
VOLUME /app/.data
# What it runs is said in docker-compose.yml, with a health check of its own for each; for whatever else the database.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s CMD ["btc", "db", "status", "--json"]
CMD ["btc", "doctor"]
