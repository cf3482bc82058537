FROM ubuntu:24.04 AS build
ARG CC=gcc CXX=g++
ENV CC=${CC} CXX=${CXX} DEBIAN_FRONTEND=noninteractive
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get update && apt-get install -y cmake ninja-build ${CC} ${CXX} ccache
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY --link src/ ./src/
RUN --mount=type=cache,target=/ccache,id=ccache-${CC} CCACHE_DIR=/ccache cmake -B build -G Ninja && cmake --build build
FROM gcr.io/distroless/cc-debian12
COPY --from=build /src/build/app /app
ENTRYPOINT ["/app"]
