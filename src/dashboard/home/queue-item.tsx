import { useSignal } from "@preact/signals";
import type { Sandbox } from "../../../protocol/sandbox.ts";
import { Icon } from "../components/icon.tsx";
import { Link } from "../components/link.tsx";
import { Ago, Countdown } from "../components/time.tsx";
import { PrivacyLine } from "../components/privacy-line.tsx";
import { REASON_LABELS, viewControl } from "../lib/control-view.ts";
import { ASKS_FOR_PRIVACY, privately } from "../lib/privacy.ts";
import { viewerPath } from "../lib/routes.ts";
import { client, leaseHandle, me, rights } from "../state/connection.ts";
import { navigate } from "../state/router.ts";
import { showError } from "../state/toasts.ts";

/** One waiting handoff, to be claimed. */
export function QueueItem({ sandbox }: { sandbox: Sandbox }) {
  const claiming = useSignal<"claim" | "claim-private" | undefined>(undefined);
  const { handoff, sandboxId } = sandbox;
  if (handoff === null) return null;

  const claim = async (way: "claim" | "claim-private"): Promise<void> => {
    const present = client.peek();
    const { handle, release } = leaseHandle(present, sandboxId);
    claiming.value = way;
    try {
      await handle.acceptHumanHandoff({
        controller: present.name,
        requestId: handoff.requestId,
        ...privately(way === "claim-private"),
      });
      navigate(viewerPath(sandboxId));
    } catch (error) {
      showError(error);
    } finally {
      claiming.value = undefined;
      release();
    }
  };
  const choice = viewControl(sandbox, me.value, rights.value).actions.includes("accept-private");
  return (
    <li class="queue-item" data-testid="queue-item">
      <div class="queue-item-head">
        <span class="reason">{REASON_LABELS[handoff.reason]}</span>
        <Link href={viewerPath(sandboxId)} class="mono queue-item-id">
          {sandboxId}
        </Link>
      </div>
      <p class="queue-item-message">{handoff.message}</p>
      {handoff.privacy === "private" && <PrivacyLine text={ASKS_FOR_PRIVACY} />}
      <div class="queue-item-foot">
        <span class="queue-item-times">
          <span class="meta">
            asked <Ago at={handoff.requestedAt} />
          </span>
          {handoff.expiresAt !== undefined && <Countdown until={handoff.expiresAt} label="expires in" />}
        </span>
        <span class="queue-item-ways">
          {choice && (
            <button
              type="button"
              class="button"
              data-testid="claim-private"
              disabled={claiming.value !== undefined}
              aria-label={`Claim ${sandboxId} privately`}
              title="Only you will see the page while you drive"
              onClick={() => void claim("claim-private")}
            >
              <Icon name="lock" />
              {claiming.value === "claim-private" ? "Claiming…" : "Privately"}
            </button>
          )}
          <button
            type="button"
            class="button primary"
            data-testid="claim"
            disabled={claiming.value !== undefined}
            aria-label={`Claim ${sandboxId}`}
            onClick={() => void claim("claim")}
          >
            {claiming.value === "claim" ? "Claiming…" : "Claim"}
          </button>
        </span>
      </div>
    </li>
  );
}
