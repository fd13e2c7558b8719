import { Icon } from "../components/icon.tsx";
import { shortUrl } from "../lib/urls.ts";
import type { Room } from "../state/room.ts";
import { focusAddress, focusPage, leaveOrExplain } from "./explain.ts";

/** The browser's tabs. Who drives can switch, open and close them; a click of others explains why not. */
export function TabStrip({ room }: { room: Room }) {
  const driving = room.youHold.value;
  const tabs = room.tabs.value;
  const { input } = room.handle;
  return (
    <nav class="tab-strip" aria-label="Tabs of the remote browser">
      <ul>
        {tabs.map((tab) => {
          const title = tab.title === "" ? shortUrl(tab.url) : tab.title;
          return (
            <li key={tab.tabId} class={tab.active ? "tab is-active" : "tab"}>
              <button
                type="button"
                class="tab-select"
                aria-current={tab.active ? "page" : undefined}
                aria-disabled={!driving}
                title={`${title}\n${tab.url}`}
                onClick={() =>
                  !tab.active && leaveOrExplain(room, () => input.selectTab(tab.tabId).then(focusPage))
                }
              >
                {tab.loading === true && <span class="spinner" aria-label="Loading" />}
                <span class="tab-title">{title}</span>
              </button>
              {driving && (
                <button
                  type="button"
                  class="tab-close"
                  aria-label={`Close ${title}`}
                  onClick={() => leaveOrExplain(room, () => input.closeTab(tab.tabId))}
                >
                  <Icon name="close" />
                </button>
              )}
            </li>
          );
        })}
      </ul>
      {driving && (
        <button
          type="button"
          class="tab-new"
          aria-label="New tab"
          onClick={() => leaveOrExplain(room, () => input.openTab().then(focusAddress))}
        >
          <Icon name="plus" />
        </button>
      )}
    </nav>
  );
}
