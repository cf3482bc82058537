FROM alpine:3 AS base
ARG http_proxy
ARG NO_PROXY
WORKDIR /src
FROM base AS test
RUN --network=none --mount=target=/src ls /src
FROM base AS lint
RUN --mount=type=bind,target=. --mount=from=golangci/golangci-lint:v1.62-alpine,source=/usr/bin/golangci-lint,target=/usr/bin/golangci-lint golangci-lint run
FROM scratch AS report
COPY --from=lint /etc/os-release /lint
COPY --from=test /etc/os-release /test
