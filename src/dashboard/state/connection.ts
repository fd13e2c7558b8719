import { effect, signal } from "@preact/signals";
import type { BatonClient, ConnectionStatus, SandboxHandle } from "../../sdk/api.ts";
import { connect } from "../../sdk/client.ts";
import { setClockOffset } from "./clock.ts";
import { myName } from "./name.ts";

export const status = signal<ConnectionStatus>("connecting");
/** Newest round trip to the gateway, ms. */
export const latencyMs = signal<number | undefined>(undefined);

/** The gateway has lost its store: what is shown is true, and nothing can be changed. */
export const degraded = signal(false);

/** The one connection of this page. A new name is a new connection: the gateway learns a name only at the start. */
export const client = signal<BatonClient>(open(myName.peek()));

function open(name: string): BatonClient {
  return connect({ url: location.origin, role: "operator", name });
}

effect(() => {
  const name = myName.value;
  const present = client.peek();
  if (present.name === name) return;
  client.value = open(name);
  present.close();
});

effect(() => {
  const present = client.value;
  status.value = present.status;
  return present.onStatus((next, latency) => {
    status.value = next;
    latencyMs.value = latency;
    degraded.value = present.degraded;
    setClockOffset(present.clockOffsetMs);
  });
});

interface Lease {
  readonly handle: SandboxHandle;
  users: number;
}
const leases = new WeakMap<BatonClient, Map<string, Lease>>();

/**
 * A sandbox's handle, shared by all parts of the page that show it, and followed until the last one has released it.
 * `release` twice does nothing.
 */
export function leaseHandle(
  present: BatonClient,
  sandboxId: string,
): { handle: SandboxHandle; release: () => void } {
  const all = leases.get(present) ?? new Map<string, Lease>();
  leases.set(present, all);
  const lease = all.get(sandboxId) ?? { handle: present.sandbox(sandboxId), users: 0 };
  all.set(sandboxId, lease);
  lease.users++;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    lease.users--;
    // From card to viewer the one lets go before the other takes: without the pause that would leave and join again.
    setTimeout(() => {
      if (lease.users > 0 || all.get(sandboxId) !== lease) return;
      all.delete(sandboxId);
      lease.handle.close();
    }, 250);
  };
  return { handle: lease.handle, release };
}
