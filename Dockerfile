# The server as an image: docs/deploy.md says how to run it.
#
#   docker build -t genesis-mesh .
#
# The binary is linked with glibc, and Rust's own code statically: it needs libc, libm and libgcc_s, which every Debian
# has. musl would save those too, and cost its allocator's speed. Both stages are the same Debian, so that glibc fits.

# --- What decides which dependencies are built: manifests, and sources without content. Its files change only with
# --- the manifests, so the layers that copy from here stay cached while the code changes.
FROM rust:1.95.0-slim-trixie AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY xtask xtask
RUN find crates xtask -type f ! -name Cargo.toml ! -path '*/src/lib.rs' ! -path '*/src/main.rs' -delete \
    && find crates xtask -name lib.rs -exec cp /dev/null {} ';' \
    && find crates xtask -name main.rs -exec sh -c 'echo "fn main() {}" >"$1"' sh {} ';' \
    && find crates xtask -type d -empty -delete

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
# Dependencies first: this layer is built again when Cargo.lock or a manifest changes, and not before.
COPY --from=manifests /src ./
RUN cargo build --release --locked --package genesis-mesh-server
COPY crates crates
# Cargo trusts the times of files: those of the empty sources are newer than those of the copied ones may be.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package genesis-mesh-server \
    && mkdir -p /out/home/models && cp target/release/genesis-mesh /out/

FROM debian:trixie-slim
# The roots that TLS to model servers trusts.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/genesis-mesh /usr/local/bin/genesis-mesh
# Models that are fetched are kept here: mount a volume, or they are fetched again with every new container.
COPY --from=build --chown=65532:65532 /out/home /var/lib/genesis-mesh
# Runs and threads are kept in `data`: mount a volume there too, or they are gone with the container.
ENV GENESIS_MESH_CACHE_DIR=/var/lib/genesis-mesh GENESIS_MESH_DATA_DIR=/var/lib/genesis-mesh/data
# A number, so that an orchestrator can see that it is not root. It has no name, no password and no shell.
USER 65532:65532
WORKDIR /var/lib/genesis-mesh
EXPOSE 8080
# No curl in here: the binary asks itself, for 5 s at most. Plain HTTP only: with TLS in the server use another check.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
  CMD ["/usr/local/bin/genesis-mesh", "health", "--url", "http://127.0.0.1:8080/health"]
ENTRYPOINT ["/usr/local/bin/genesis-mesh"]
# Beyond 127.0.0.1 the server demands keys, from a mounted mesh.toml, or the flag --insecure: without either it says so
# and ends. Arguments after the image's name replace these.
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
