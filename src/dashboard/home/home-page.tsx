import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { EndsSoon } from "../access/ends-soon.tsx";
import { DegradedNotice } from "../components/degraded-notice.tsx";
import { TopBar } from "../components/top-bar.tsx";
import { filterSandboxes } from "../lib/filter.ts";
import { me, status } from "../state/connection.ts";
import { followLobby, loaded, queue, sandboxes, truncated } from "../state/lobby.ts";
import { FilterBox } from "./filter-box.tsx";
import { GettingStarted } from "./getting-started.tsx";
import { Queue } from "./queue.tsx";
import { SandboxCard } from "./sandbox-card.tsx";

/** `/`: who waits for a person, and every sandbox live. */
export function HomePage() {
  const typed = useSignal("");
  const waiting = queue.value.length;
  useEffect(followLobby, []);
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Baton` : "Baton";
  }, [waiting]);
  const all = sandboxes.value;
  const driving = [...all.values()].find((sandbox) => sandbox.control.controller === me.value);
  const locked = driving && `You drive ${driving.sandboxId}. Give it back to change your name.`;
  const shown = filterSandboxes(all.values(), typed.value);
  const away = status.value !== "open" && loaded.value;
  return (
    <div class="home">
      <TopBar nameLocked={locked} />
      <DegradedNotice />
      <EndsSoon holds={false} />
      {away && (
        <p class="notice is-waiting" role="status">
          The gateway is out of reach. What you see may be old; this page keeps trying.
        </p>
      )}
      <main class={all.size === 0 ? "home-main is-empty" : "home-main"}>
        <h1 class="visually-hidden">Sandboxes and handoffs</h1>
        {all.size > 0 && <Queue />}
        <section class="sandboxes" aria-labelledby="sandboxes-title">
          {all.size > 0 && (
            <div class="section-head">
              <h2 id="sandboxes-title">
                Sandboxes <span class="count tabular">{all.size}</span>
              </h2>
              <FilterBox typed={typed} />
            </div>
          )}
          {!loaded.value && <p class="hint-line">Connecting to the gateway…</p>}
          {loaded.value && all.size === 0 && <GettingStarted />}
          <ul class="grid">
            {shown.map((sandbox) => (
              <SandboxCard key={sandbox.sandboxId} sandbox={sandbox} />
            ))}
          </ul>
          {all.size > 0 && shown.length === 0 && (
            <div class="empty-line">
              <p>No sandbox matches “{typed.value}”.</p>
              <button type="button" class="button" onClick={() => (typed.value = "")}>
                Clear the filter
              </button>
            </div>
          )}
          {truncated.value && (
            <p class="hint-line">There are more sandboxes than this list can hold: the newest are shown.</p>
          )}
        </section>
      </main>
    </div>
  );
}
