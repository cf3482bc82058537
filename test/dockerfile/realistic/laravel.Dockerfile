FROM composer:2 AS vendor
WORKDIR /app
COPY composer.json composer.lock ./
RUN --mount=type=cache,target=/tmp/cache,uid=1000 composer install --no-dev --no-scripts --prefer-dist

FROM php:8.3-fpm-alpine
LABEL maintainer "Somebody <somebody@example.com>"
ARG UID=1000 GID=1000
RUN set -eux; \
	apk add --no-cache --virtual .build-deps $PHPIZE_DEPS icu-dev; \
	docker-php-ext-install -j"$(nproc)" intl opcache pdo_mysql; \
	apk del .build-deps
COPY --link --chown=${UID}:${GID} --from=vendor /app/vendor /var/www/vendor
COPY --chown=www-data:www-data . /var/www
COPY <<-'INI' $PHP_INI_DIR/conf.d/app.ini
	opcache.enable=1
	memory_limit=256M
INI
VOLUME ["/var/www/storage"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m --start-interval=2s CMD php-fpm -t || exit 1
STOPSIGNAL SIGQUIT
