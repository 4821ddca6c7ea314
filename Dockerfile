# syntax=docker/dockerfile:1.9
# Every program of ours, one image each:
#
#   docker build --build-arg BIN=gateway -t secondhandtrading/gateway .
#
# BIN is post, offer, deal, mypage, notification or gateway. The six builds share all layers but the last of `build`.

FROM rust:1.95.0-slim-bookworm AS tools
# librdkafka's configure asks for a C++ compiler and make.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make \
 && rm -rf /var/lib/apt/lists/*
# The recipe is the manifests without the sources: what depends on it alone is built again only when they change.
RUN cargo install --locked --version 0.1.78 cargo-chef
WORKDIR /src
# The same bytes from the same sources: no path and no time of the build is in them.
ARG SOURCE_DATE_EPOCH=0
ENV CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo"

FROM tools AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM tools AS build
COPY --from=recipe /src/recipe.json .
RUN cargo chef cook --locked --profile dist --workspace --recipe-path recipe.json
COPY . .
ARG BIN
# With --workspace the dependencies have the features they were cooked with, whichever program it is.
RUN cargo build --locked --profile dist --workspace --bin "$BIN" \
 && strip --strip-all "target/dist/$BIN" \
 && install -D "target/dist/$BIN" /image/program

# libc, libgcc, CA certificates and time zones: neither shell nor package manager.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG BIN
LABEL org.opencontainers.image.title="$BIN" \
      org.opencontainers.image.description="Second-hand trading: $BIN" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /image/program /program
# In a container nobody else is on 127.0.0.1.
ENV HOST=0.0.0.0 \
    PORT=8080 \
    LOG_FORMAT=json
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --start-interval=1s --retries=3 CMD ["/program", "--health"]
ENTRYPOINT ["/program"]
