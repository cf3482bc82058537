// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of a Dockerfile
import { describe, expect, it } from 'vitest';
import type { CopyStep, RunStep } from '../../src/dockerfile/step.js';
import { history, plan, walk } from './support.js';

const paths = (...all: string[]) => all.map((path) => ({ kind: 'path', path }));

const NODE = `# syntax=docker/dockerfile:1
ARG NODE_VERSION=22.11

FROM node:\${NODE_VERSION}-bookworm-slim AS base
ENV NODE_ENV=production \\
    NPM_CONFIG_UPDATE_NOTIFIER=false
WORKDIR /app

# Dependencies first: they change less often than the source.
FROM base AS deps
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && \\
    # the cache is of no use in an image
    npm cache clean --force

FROM base AS build
COPY package*.json ./
RUN npm ci --include=dev
COPY . .
RUN npm run build

FROM base
ARG GIT_SHA
LABEL org.opencontainers.image.revision=\${GIT_SHA:-unknown} \\
      org.opencontainers.image.title="A web app"
COPY --from=deps --chown=node:node /app/node_modules ./node_modules
COPY --from=build --chown=node:node /app/dist ./dist
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=2s --retries=3 \\
  CMD ["node", "-e", "fetch('http://localhost:3000/healthz').then(r => process.exit(r.ok ? 0 : 1))"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node", "dist/server.js"]
`;

const GO = `FROM --platform=$BUILDPLATFORM golang:1.23-alpine AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\
    go build -trimpath -ldflags="-s -w -X main.version=\${VERSION}" -o /out/app ./cmd/app

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/app /app
USER 65534:65534
ENTRYPOINT ["/app"]
`;

const PYTHON = `FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \\
 && apt-get install -y --no-install-recommends \\
      libpq5 \\

      curl \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /code
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chmod=0755 <<'SH' /usr/local/bin/start
#!/bin/sh
exec gunicorn "$@" app.wsgi
SH
RUN <<EOF
useradd --system --home /code app
chown -R app /code
EOF
COPY . .
USER app
CMD start --bind 0.0.0.0:\${PORT:-8000}
`;

const RUST = `FROM rust:1.83 AS planner
WORKDIR /app
RUN cargo install cargo-chef
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM planner AS builder
COPY --from=planner /app/recipe.json recipe.json
RUN cargo chef cook --release --recipe-path recipe.json
COPY . .
RUN cargo build --release

FROM debian:bookworm-slim AS runtime
COPY --from=builder /app/target/release/app /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/app"]
`;

const JAVA = `FROM eclipse-temurin:21-jdk AS build
WORKDIR /workspace/app
COPY mvnw .
COPY .mvn .mvn
COPY pom.xml .
RUN ./mvnw -B dependency:go-offline
COPY src src
RUN ./mvnw package -DskipTests
RUN mkdir -p target/dependency && (cd target/dependency; jar -xf ../*.jar)

FROM eclipse-temurin:21-jre
VOLUME /tmp
ARG DEPENDENCY=/workspace/app/target/dependency
COPY --from=build \${DEPENDENCY}/BOOT-INF/lib /app/lib
COPY --from=build \${DEPENDENCY}/META-INF /app/META-INF
COPY --from=build \${DEPENDENCY}/BOOT-INF/classes /app
ENTRYPOINT ["java","-cp","app:app/lib/*","com.example.Application"]
`;

const NGINX = `ARG BASE=nginx:1.27-alpine
FROM node:22 as assets
WORKDIR /site
COPY . .
RUN npm ci; npm run build

FROM \${BASE}
RUN rm -rf /usr/share/nginx/html/*
COPY --from=0 /site/public /usr/share/nginx/html
COPY nginx.conf /etc/nginx/conf.d/default.conf
STOPSIGNAL SIGQUIT
EXPOSE 80 443
CMD ["nginx", "-g", "daemon off;"]
`;

const RUBY = `FROM ruby:3.3-slim AS base
WORKDIR /rails
ENV RAILS_ENV="production" \\
    BUNDLE_DEPLOYMENT="1" \\
    BUNDLE_PATH="/usr/local/bundle"

FROM base AS build
RUN apt-get update -qq && apt-get install --no-install-recommends -y build-essential git
COPY Gemfile Gemfile.lock ./
RUN bundle install
COPY . .
RUN SECRET_KEY_BASE_DUMMY=1 ./bin/rails assets:precompile

FROM base
COPY --from=build "\${BUNDLE_PATH}" "\${BUNDLE_PATH}"
COPY --from=build /rails /rails
RUN useradd rails --uid 1000 --create-home --shell /bin/bash
USER 1000:1000
ENTRYPOINT ["/rails/bin/docker-entrypoint"]
EXPOSE 3000
CMD ["./bin/rails", "server"]
`;

describe('Dockerfiles as people write them', () => {
  it.each([
    ['node', NODE, [0, 1, 2, 3], ['node:22.11-bookworm-slim'], 2],
    ['go', GO, [0, 1], ['golang:1.23-alpine'], 2],
    ['python', PYTHON, [0], ['python:3.13-slim'], 7],
    ['rust', RUST, [0, 1, 2], ['debian:bookworm-slim', 'rust:1.83'], 1],
    ['java', JAVA, [0, 1], ['eclipse-temurin:21-jdk', 'eclipse-temurin:21-jre'], 3],
    ['nginx', NGINX, [0, 1], ['nginx:1.27-alpine', 'node:22'], 3],
    ['ruby', RUBY, [0, 1, 2], ['ruby:3.3-slim'], 3],
    ['python with CRLF', PYTHON.replaceAll('\n', '\r\n'), [0], ['python:3.13-slim'], 7],
  ])('%s: stages, images and steps of the target', (_, text, stages, images, steps) => {
    const built = plan(text);
    expect(built.stages.map((stage) => stage.index)).toEqual(stages);
    expect([...new Set(built.stages.flatMap((stage) => stage.images))].sort()).toEqual(images);
    expect(walk(built).steps).toHaveLength(steps);
    expect(built.unusedBuildArgs).toEqual([]);
  });

  it('node: the config of the result', () => {
    const base = { config: { Cmd: ['node'], Entrypoint: ['old'] } };
    const { state, steps } = walk(plan(NODE, { buildArgs: { GIT_SHA: 'abc' } }), base);
    expect(state.image.config).toMatchObject({
      User: 'node',
      WorkingDir: '/app',
      ExposedPorts: { '3000/tcp': {} },
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['node', 'dist/server.js'],
      Labels: { 'org.opencontainers.image.revision': 'abc', 'org.opencontainers.image.title': 'A web app' },
      Healthcheck: { Interval: 10e9, Timeout: 2e9, Retries: 3 },
    });
    expect(steps).toMatchObject([
      {
        sources: paths('app/node_modules'),
        destination: '/app/node_modules',
        from: { index: 1 },
        chown: 'node:node',
      },
      { sources: paths('app/dist'), destination: '/app/dist', from: { index: 2 } },
    ]);
  });

  it('node: a comment inside a command is no part of it', () => {
    const { steps } = walk(plan(NODE, { target: 'deps' }));
    expect((steps[1] as RunStep).argv[2]).toBe('npm ci --omit=dev &&     npm cache clean --force');
  });

  it('go: the platform reaches the compiler', () => {
    const { steps } = walk(plan(GO, { target: 'build', buildArgs: { VERSION: '1.2' } }));
    const last = steps.at(-1) as RunStep;
    expect(last.env.slice(1)).toEqual(['TARGETOS=linux', 'TARGETARCH=amd64', 'VERSION=1.2']);
    expect(last.history).toMatch(
      /^RUN \|3 TARGETOS=linux TARGETARCH=amd64 VERSION=1.2 \/bin\/sh -c CGO_ENABLED=0/,
    );
  });

  it('python: heredocs become a file and a script', () => {
    const { steps, state } = walk(plan(PYTHON));
    const copy = steps.find((step) => step.kind === 'copy' && step.heredocs.length > 0) as CopyStep;
    expect(copy).toMatchObject({
      heredocs: [{ name: 'SH', content: '#!/bin/sh\nexec gunicorn "$@" app.wsgi\n' }],
      destination: '/usr/local/bin/start',
      chmod: '0755',
    });
    expect((steps[5] as RunStep).argv[2]).toBe('useradd --system --home /code app\nchown -R app /code\n');
    expect(state.image.config?.Cmd).toEqual(['/bin/sh', '-c', 'start --bind 0.0.0.0:${PORT:-8000}']);
  });

  it('java: an ARG is expanded in a source', () => {
    const { steps } = walk(plan(JAVA));
    expect((steps[0] as CopyStep).sources).toEqual(paths('workspace/app/target/dependency/BOOT-INF/lib'));
  });

  it('ruby: quotes around a variable are taken off', () => {
    const { steps } = walk(plan(RUBY));
    expect(steps[0]).toMatchObject({ sources: paths('usr/local/bundle'), destination: '/usr/local/bundle' });
  });

  it('nginx: the history reads as that of BuildKit', () => {
    expect(history(walk(plan(NGINX)))).toEqual([
      'RUN /bin/sh -c rm -rf /usr/share/nginx/html/* # buildkit',
      'COPY /site/public /usr/share/nginx/html # buildkit',
      'COPY nginx.conf /etc/nginx/conf.d/default.conf # buildkit',
      'STOPSIGNAL SIGQUIT',
      'EXPOSE [443/tcp 80/tcp]',
      'CMD ["nginx" "-g" "daemon off;"]',
    ]);
  });
});
