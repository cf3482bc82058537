FROM python:3.12-slim
RUN mkdir -p /usr/src/app
WORKDIR /usr/src/app
ONBUILD ARG EXTRA
ONBUILD COPY requirements.txt /usr/src/app/
ONBUILD RUN --mount=type=cache,target=/root/.cache pip install -r requirements.txt $EXTRA
ONBUILD COPY . /usr/src/app
