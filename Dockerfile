# Builds the gateway and its dashboard, and runs them as a user without rights. It listens on all of the container's
# addresses, so it does not start without BATON_SECRET; BATON_PUBLIC_URL is where people, and its links, reach it:
#   docker run -p 7070:7070 -v baton:/data -e BATON_SECRET -e BATON_PUBLIC_URL=https://baton.example baton
# With `--build-arg UWS=` and a tag of github.com/uNetworking/uWebSockets.js it has the other transport too, for
# BATON_TRANSPORT=uws: see docs/transports.md.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev
ARG UWS=
RUN if [ -n "$UWS" ]; then \
    apt-get update && apt-get install -y --no-install-recommends ca-certificates git \
    && npm install --no-save --omit=dev "github:uNetworking/uWebSockets.js#$UWS"; \
  fi

FROM node:22-bookworm-slim
# Only for sandboxes that the gateway launches itself; browsers attached by `cdpUrl` run elsewhere. Chromium's own
# sandbox needs user namespaces: run with `--security-opt seccomp=unconfined` or a profile that allows them.
RUN apt-get update \
  && apt-get install -y --no-install-recommends chromium fonts-liberation \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN mkdir /data && chown node:node /data
USER node
ENV NODE_ENV=production BATON_HOST=0.0.0.0 BATON_DATA_DIR=/data
VOLUME /data
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "-e", "fetch('http://127.0.0.1:7070/readyz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/main.js"]
