/** nginx with nchan, one worker: subscribers over WebSocket, what is published comes by HTTP and stays in its memory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/support/redis.ts";
import { pinned } from "../lib/cores.ts";
import { treeOf } from "../lib/cpu-time.ts";
import { startProgram, temporaryFolder } from "../lib/foreign-process.ts";
import type { Resources } from "../lib/resources.ts";
import { needProgram } from "./install.ts";

const MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const CONNECTIONS = 16_384;

export interface Nchan {
  readonly subscribeUrl: string;
  readonly publishUrl: string;
  readonly pids: readonly number[];
}

export async function startNchan(resources: Resources): Promise<Nchan> {
  const nginx = await needProgram("nginx", ["nginx", "libnginx-mod-nchan"], MODULE);
  const folder = temporaryFolder(resources, "nchan");
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `load_module ${MODULE};
daemon off;
worker_processes 1;
worker_rlimit_nofile ${CONNECTIONS};
pid ${folder}/pid;
error_log stderr error;
${process.getuid?.() === 0 ? "user root root;" : ""}
events { worker_connections ${CONNECTIONS}; }
http {
  access_log off;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 128M;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location = /publish { nchan_publisher http; nchan_channel_id bench; nchan_message_buffer_length 1000; }
    location = /subscribe { nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest; }
  }
}
`,
  );
  const command = [...pinned("server"), nginx, "-p", folder, "-e", "stderr", "-c", config];
  const master = await startProgram(resources, command, [port]);
  return {
    subscribeUrl: `ws://127.0.0.1:${port}/subscribe`,
    publishUrl: `http://127.0.0.1:${port}/publish`,
    pids: treeOf(master),
  };
}
