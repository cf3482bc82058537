FROM node:22 AS docs
ADD --keep-git-dir=true https://github.com/acme/docs.git#v1.2:site /docs
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://mirrors.example.com/linux.tar.xz /src/
ADD --unpack=true https://example.com/theme.tar.gz /docs/theme/
ADD git@github.com:acme/assets.git?ref=main&subdir=public /docs/public
RUN npx vitepress build /docs
FROM caddy:2-alpine
COPY --from=docs --chown=1000 --chmod=u=rwX,go=rX /docs/dist /srv
COPY <<CADDY <<ROBOTS /etc/caddy/
:{$PORT:8080} {
  root * /srv
  file_server
}
CADDY
User-agent: *
ROBOTS
