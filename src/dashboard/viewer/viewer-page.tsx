import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { EndsSoon } from "../access/ends-soon.tsx";
import { DegradedNotice } from "../components/degraded-notice.tsx";
import { PrivacyLine } from "../components/privacy-line.tsx";
import { TopBar } from "../components/top-bar.tsx";
import { client } from "../state/connection.ts";
import { Room } from "../state/room.ts";
import { Actions } from "./actions.tsx";
import { AddressBar } from "./address-bar.tsx";
import { ControlBanner } from "./control-banner.tsx";
import { DonePanel } from "./done-panel.tsx";
import { Missing } from "./missing.tsx";
import { PictureStatus } from "./picture-status.tsx";
import { ShareButton, ShareDialog } from "./share-dialog.tsx";
import { SidePanel } from "./side-panel.tsx";
import { Stage } from "./stage.tsx";
import { TabStrip } from "./tab-strip.tsx";
import { TakeOverDialog } from "./take-over-dialog.tsx";
import { usePictureHealth } from "./use-health.ts";

/** `/s/:sandboxId`: one sandbox, live, to watch and to drive. */
export function ViewerPage({ sandboxId, embedded }: { sandboxId: string; embedded: boolean }) {
  const present = client.value;
  const room = useMemo(() => new Room(present, sandboxId), [present, sandboxId]);
  useEffect(() => () => room.close(), [room]);
  const health = usePictureHealth(room);
  const panelOpen = useSignal(true);

  const control = room.control.value;
  const driving = control?.youDrive === true;
  useEffect(() => {
    document.title = driving ? `Driving ${sandboxId} · Baton` : `${sandboxId} · Baton`;
  }, [driving, sandboxId]);

  const mine = room.sandbox.value?.control.controller === room.me;
  const locked = mine ? "Give the browser back to change your name" : undefined;
  const missing = room.missing.value;
  return (
    <div class={`viewer tone-${control?.tone ?? "plain"} ${panelOpen.value ? "" : "is-panel-closed"}`}>
      {embedded ? (
        <h1 class="visually-hidden">{sandboxId}</h1>
      ) : (
        <TopBar nameLocked={locked} tools={<ShareButton room={room} />}>
          <h1 class="mono crumb">{sandboxId}</h1>
        </TopBar>
      )}
      <DegradedNotice />
      {missing !== undefined ? (
        <Missing reason={missing} />
      ) : (
        <>
          <main class="viewer-main">
            <div class="control">
              <ControlBanner room={room} />
              <Actions room={room} />
              <DonePanel room={room} />
            </div>
            {control?.youHold === true && control.private && (
              <div class="private-strip">
                <PrivacyLine text="Only you see this page. The agent and other viewers don’t." />
              </div>
            )}
            <EndsSoon holds={mine} />
            <div class="browser-bar">
              <TabStrip room={room} />
              <AddressBar room={room} />
            </div>
            <Stage room={room} state={health.state} />
            <PictureStatus state={health.state} stats={health.stats} room={room} />
          </main>
          <SidePanel room={room} open={panelOpen} />
        </>
      )}
      <TakeOverDialog room={room} />
      <ShareDialog room={room} />
    </div>
  );
}
