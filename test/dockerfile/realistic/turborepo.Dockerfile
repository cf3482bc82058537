FROM node:alpine AS base
FROM base AS pruner
RUN apk update && apk add --no-cache libc6-compat
WORKDIR /app
RUN npm i -g turbo@^2
COPY . .
RUN turbo prune web --docker
FROM base AS installer
WORKDIR /app
COPY --from=pruner /app/out/json/ .
RUN yarn install
COPY --from=pruner /app/out/full/ .
ARG TURBO_TEAM
ENV TURBO_TEAM=$TURBO_TEAM
RUN yarn turbo build --filter=web...
FROM base AS runner
COPY --from=installer --chown=node:node /app/apps/web/.next/standalone ./
CMD node apps/web/server.js
