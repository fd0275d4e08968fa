# syntax=docker/dockerfile:1
# A worker for Atlas nodes: CANN 9.0.0, MindSpore 2.9.0, MindFormers 1.9.0, Python 3.11.
# Never built and never run by us: no registry with CANN and no NPU was at hand (docs/ascend.md).
#
# CANN_IMAGE is a CANN base image by digest, for example the one tagged 9.0.0-910b-ubuntu22.04-py3.11.
# It holds the toolkit, the operators, Python, the CANN variables (ENV) and an entrypoint that sources
# set_env.sh and runs its arguments; both are kept. The driver comes from the node as mounts.
#
#   docker build -f docker/worker-ascend.Dockerfile --build-arg CANN_IMAGE=<by digest> -t legalone-worker-ascend .

ARG CANN_IMAGE

FROM ${CANN_IMAGE}
# A package mirror, when one is needed. Build arguments stay in the image's history: no passwords here.
ARG PIP_INDEX_URL
ENV PATH=/opt/legalone/.venv/bin:${PATH} \
    PYTHONPATH=/opt/legalone:${PYTHONPATH:-} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LEGALONE_DEVICE=ascend
WORKDIR /opt/legalone
COPY docker/ascend-requirements.txt docker/ascend-requirements.txt
# The system packages stay visible: CANN's Python parts need decorator, sympy, cffi and others of the base image.
RUN test "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 \
    && python3 -m venv --system-site-packages .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes -r docker/ascend-requirements.txt
COPY configs configs
COPY stages stages
# The container engine sets the user, the one of the agent: it must be in the group of the node's device files.
CMD ["python", "-c", "import mindspore; mindspore.run_check()"]
