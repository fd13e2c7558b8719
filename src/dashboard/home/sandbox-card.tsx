import type { Sandbox } from "../../../protocol/sandbox.ts";
import { Link } from "../components/link.tsx";
import { ModeBadge } from "../components/mode-badge.tsx";
import { Ago } from "../components/time.tsx";
import { REASON_LABELS, browserWord, viewControl } from "../lib/control-view.ts";
import { viewerPath } from "../lib/routes.ts";
import { me, rights } from "../state/connection.ts";
import { Thumbnail } from "./thumbnail.tsx";

/** One sandbox: its picture, who drives, and where its handoff stands. */
export function SandboxCard({ sandbox }: { sandbox: Sandbox }) {
  const view = viewControl(sandbox, me.value, rights.value);
  const { handoff } = sandbox;
  return (
    <li class={`card tone-${view.tone}`} data-testid="sandbox-card">
      <Link href={viewerPath(sandbox.sandboxId)} class="card-link">
        <Thumbnail sandbox={sandbox} />
        <div class="card-body">
          <div class="card-head">
            <h3 class="mono card-id">{sandbox.sandboxId}</h3>
            <span class="meta">
              <Ago at={sandbox.updatedAt} />
            </span>
          </div>
          <ModeBadge tone={view.tone} text={view.badge} />
          <p class="card-meta meta">
            <span>
              {handoff === null ? "No handoff" : `${REASON_LABELS[handoff.reason]}, ${handoff.status}`}
            </span>
            <span class="card-browser" title="State of the browser">
              {browserWord(sandbox.browser?.status)}
            </span>
          </p>
        </div>
      </Link>
    </li>
  );
}
