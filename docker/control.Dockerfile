# syntax=docker/dockerfile:1
# The control plane and the command line: `legalone serve`, `train`, `status`, … No Python, no MindSpore.
#
#   docker build -f docker/control.Dockerfile --build-arg NODE_IMAGE=<node 20, Debian, by digest> -t legalone-control .

ARG NODE_IMAGE

FROM ${NODE_IMAGE} AS build
# A package mirror, when one is needed. Build arguments stay in the image's history: no passwords here.
ARG NPM_CONFIG_REGISTRY
WORKDIR /opt/legalone
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY prisma.config.ts tsconfig.json ./
COPY prisma prisma
COPY src src
COPY scripts/build.mjs scripts/build.mjs
# `prisma generate` asks for a schema engine and never calls it; naming any executable avoids the download.
# Only on this line: with it set, `prisma migrate deploy` would succeed and apply nothing.
RUN PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx prisma generate \
    && npm run build

FROM ${NODE_IMAGE} AS dependencies
ARG NPM_CONFIG_REGISTRY
WORKDIR /opt/legalone
COPY package.json package-lock.json .npmrc ./
# The optional packages are the embedded PostgreSQL, which has no use beside a real one.
RUN npm ci --omit=dev --omit=optional

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    LEGALONE_HOME=/workspace \
    HOME=/workspace
WORKDIR /opt/legalone
COPY package.json ./
COPY --from=dependencies /opt/legalone/node_modules node_modules
COPY --from=build /opt/legalone/dist dist
COPY prisma prisma
COPY configs configs
COPY pipelines pipelines
COPY stages stages
# Not run, but hashed: the sources of a Node worker are part of the cache key of its stage.
COPY src src
RUN mkdir /workspace && chown 10001:10001 /workspace \
    && ln -s /opt/legalone/dist/bin.js /usr/local/bin/legalone
USER 10001:10001
VOLUME /workspace
CMD ["node", "dist/bin.js", "serve"]
