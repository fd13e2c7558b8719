import { useSignal } from "@preact/signals";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import { Link } from "../components/link.tsx";
import { Ago, Countdown } from "../components/time.tsx";
import { REASON_LABELS } from "../lib/control-view.ts";
import { viewerPath } from "../lib/routes.ts";
import { client, leaseHandle } from "../state/connection.ts";
import { navigate } from "../state/router.ts";
import { showError } from "../state/toasts.ts";

/** One waiting handoff, to be claimed. */
export function QueueItem({ sandbox }: { sandbox: Sandbox }) {
  const claiming = useSignal(false);
  const { handoff, sandboxId } = sandbox;
  if (handoff === null) return null;

  const claim = async (): Promise<void> => {
    const present = client.peek();
    const { handle, release } = leaseHandle(present, sandboxId);
    claiming.value = true;
    try {
      await handle.acceptHumanHandoff({ controller: present.name, requestId: handoff.requestId });
      navigate(viewerPath(sandboxId));
    } catch (error) {
      showError(error);
    } finally {
      claiming.value = false;
      release();
    }
  };
  return (
    <li class="queue-item" data-testid="queue-item">
      <div class="queue-item-head">
        <span class="reason">{REASON_LABELS[handoff.reason]}</span>
        <Link href={viewerPath(sandboxId)} class="mono queue-item-id">
          {sandboxId}
        </Link>
      </div>
      <p class="queue-item-message">{handoff.message}</p>
      <div class="queue-item-foot">
        <span class="queue-item-times">
          <span class="meta">
            asked <Ago at={handoff.requestedAt} />
          </span>
          {handoff.expiresAt !== undefined && <Countdown until={handoff.expiresAt} label="expires in" />}
        </span>
        <button
          type="button"
          class="button primary"
          data-testid="claim"
          disabled={claiming.value}
          aria-label={`Claim ${sandboxId}`}
          onClick={() => void claim()}
        >
          {claiming.value ? "Claiming…" : "Claim"}
        </button>
      </div>
    </li>
  );
}
