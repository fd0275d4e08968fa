# syntax=docker/dockerfile:1
# A worker that trains on the CPU: what stages/ needs, and nothing of the control plane.
# Target `agent` adds Node and the compiled program, for a node whose agent runs workers as processes.
#
#   docker build -f docker/worker-cpu.Dockerfile --target worker \
#     --build-arg PYTHON_IMAGE=<python 3.11, Debian, by digest> -t legalone-worker-cpu .
#   docker build -f docker/worker-cpu.Dockerfile --target agent \
#     --build-arg PYTHON_IMAGE=<as above> --build-arg CONTROL_IMAGE=<built from control.Dockerfile> -t legalone-agent-cpu .

ARG PYTHON_IMAGE
ARG CONTROL_IMAGE=scratch

FROM ${CONTROL_IMAGE} AS control

FROM ${PYTHON_IMAGE} AS worker
# A package mirror, when one is needed. Build arguments stay in the image's history: no passwords here.
ARG PIP_INDEX_URL
ENV PATH=/opt/legalone/.venv/bin:${PATH} \
    PYTHONPATH=/opt/legalone \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /opt/legalone
# MindSpore links OpenMP and does not carry it. The distribution's own patch level is the right one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY stages/requirements.txt stages/requirements.txt
RUN python3 -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes -r stages/requirements.txt
COPY configs configs
COPY stages stages
# Numeric: no image needs to know the name. The container engine sets its own user, the one of the agent.
USER 10001:10001
# The container engine replaces this with the stage to run: python -m stages.<kind>.run --job <file>
CMD ["python", "-c", "import mindspore; print(mindspore.__version__)"]

FROM worker AS agent
USER 0:0
RUN mkdir /workspace && chown 10001:10001 /workspace
USER 10001:10001
VOLUME /workspace
COPY --from=control /usr/local/bin/node /usr/local/bin/node
COPY --from=control /opt/legalone /opt/legalone
ENV LEGALONE_HOME=/workspace
CMD ["node", "dist/bin.js", "agent"]
