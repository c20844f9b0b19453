# syntax=docker/dockerfile:1
# Two images from one build: `rejoinder` (the default) and `product-price-worker`.
#
#   docker build --target rejoinder -t rejoinder .
#   docker build --target product-price-worker -t product-price-worker .

FROM swift:6.3-bookworm AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source

# The dependencies change seldom: fetched in a layer of their own.
COPY Package.* ./
RUN swift package resolve

# The manifest names the targets of tests, benchmark and chaos, so that their folders must be there.
COPY Sources ./Sources
COPY Tests ./Tests
COPY Benchmarks ./Benchmarks
COPY Chaos ./Chaos
COPY Stage ./Stage
COPY Examples ./Examples
RUN mkdir /products \
    && for product in rejoinder product-price-worker; do \
        swift build --configuration release --static-swift-stdlib --product "$product" -Xlinker --strip-all \
            && cp ".build/release/$product" /products/ || exit 1; \
    done

FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin rejoinder
# In digits, so that an orchestrator can see that it is not root.
USER 10001

FROM runtime AS product-price-worker
COPY --from=builder /products/product-price-worker /usr/local/bin/
# Its admin port is open only where REJOINDER_ADMIN_PORT says which.
ENV REJOINDER_ADMIN_HOST=0.0.0.0
EXPOSE 9090
ENTRYPOINT ["product-price-worker"]

FROM runtime AS rejoinder
COPY --from=builder /products/rejoinder /usr/local/bin/
# From outside the container its loopback address can't be reached.
ENV REJOINDER_HTTP_HOST=0.0.0.0 REJOINDER_ADMIN_HOST=0.0.0.0
EXPOSE 8080 9090
# Whether it lives, not whether it is ready: an orchestrator that replaces what is unhealthy must not replace an ingress, and
# those who wait in it, because its database is away.
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD rejoinder health --url "http://127.0.0.1:${REJOINDER_ADMIN_PORT:-9090}/health/live"
ENTRYPOINT ["rejoinder"]
CMD ["ingress"]
