FROM python:3.12 AS python-base
ENV PYTHONUNBUFFERED=1 \
    # prevents python creating .pyc files
    PYTHONDONTWRITEBYTECODE=1 \
    \
    # pip
    PIP_NO_CACHE_DIR=off \
    POETRY_HOME="/opt/poetry" \
    VENV_PATH="/opt/pysetup/.venv"

# prepend poetry and venv to path
ENV PATH="$POETRY_HOME/bin:$VENV_PATH/bin:$PATH"

FROM python-base AS builder-base
RUN apt-get update \
    && apt-get install --no-install-recommends -y \
        # deps for installing poetry
        curl \
        build-essential \
    && rm -rf /var/lib/apt/lists/*
RUN curl -sSL https://install.python-poetry.org | python -
WORKDIR /opt/pysetup
COPY poetry.lock pyproject.toml ./
RUN poetry install --only main

FROM python-base AS production
COPY --from=builder-base $VENV_PATH $VENV_PATH
COPY ./app /app/
WORKDIR /app
CMD gunicorn -k uvicorn.workers.UvicornWorker "main:app"
