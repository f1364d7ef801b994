# Two images from one file:
#
#   docker build --target server   -t exhibit:server .     for use with a ClickHouse server; no engine inside
#   docker build --target embedded -t exhibit .            with the embedded engine (default)
#
# Data live in /data. Run with a configuration: docker run -v exhibit:/data -v ./exhibit.yaml:/etc/exhibit.yaml:ro exhibit

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unreleased
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/ ./cmd/exhibit ./cmd/exhibit-verify \
 && mkdir -p /out/data

FROM node:20-bookworm-slim AS engine
WORKDIR /engine
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The program can load a shared library, so it needs a dynamic linker even without cgo.
FROM gcr.io/distroless/base-debian12:nonroot AS server
COPY --from=build /out/exhibit /out/exhibit-verify /usr/local/bin/
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/exhibit"]
CMD ["serve", "--config", "/etc/exhibit.yaml"]

# libchdb is a shared library: it needs a C library and its companions.
FROM gcr.io/distroless/cc-debian12:nonroot AS embedded
COPY --from=build /out/exhibit /out/exhibit-verify /usr/local/bin/
COPY --from=engine /engine/node_modules/@chdb /usr/local/bin/node_modules/@chdb
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/exhibit"]
CMD ["serve", "--config", "/etc/exhibit.yaml"]
