FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04
ARG PYTHON_VERSION="3.11"
ARG PY=${PYTHON_VERSION%.*}
ENV VIRTUAL_ENV=/opt/venv${PYTHON_VERSION//./} \
    HF_HOME="/models"
ENV PATH="${VIRTUAL_ENV}/bin:${PATH}"
RUN <<EOF
set -e
apt-get update
apt-get install -y python${PYTHON_VERSION} python${PYTHON_VERSION}-venv
python${PYTHON_VERSION} -m venv $VIRTUAL_ENV
EOF
COPY requirements*.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt
RUN --mount=type=secret,id=hf,env=HF_TOKEN,required <<'EOF' python
import os
print(os.environ["HF_TOKEN"][:1])
EOF
VOLUME ["/models", "/data"]
LABEL com.example.python="${PYTHON_VERSION}" com.example.major="${PY}"
HEALTHCHECK NONE
