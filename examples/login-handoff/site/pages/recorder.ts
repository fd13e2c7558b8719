import { maxTextLength, recordedTypes } from "../event-log.ts";

/**
 * The script that every page runs first. It records events and sends them at the end of the task they came in, before
 * a dialog can stop the page and without animation frames, which hidden tabs don't get. A few requests may be under
 * way at once (the site restores the order); what comes meanwhile is batched. `window.__flushed()` resolves when the
 * site has everything recorded so far, and rejects when a request fails; failed ones are sent again.
 */
export const recorderScript = String.raw`(() => {
  const types = ${JSON.stringify(recordedTypes)};
  const maxText = ${maxTextLength};
  const maxBatchBytes = 14 * 1024;
  const maxBatchEvents = 500;
  // Enough that a whole click (move, press, focus, release, click) leaves although no answer to the earlier ones is in
  // yet. Chromium refuses keepalive requests above 64 KiB, all those under way taken together.
  const maxUnderWay = 16;
  const maxUnderWayBytes = 56 * 1024;
  // While the site is unreachable the queue fills up; from then on new events are not recorded or counted.
  const maxQueue = 2000;
  const retryAfterMs = 500;

  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, "0")).join("");
  const pageId = newId();
  const tabId = findTabId();
  const encoder = new TextEncoder();

  let recorded = 0;
  let acked = 0;
  // Unacknowledged events, oldest first; the first "sent" of them are under way.
  let queue = [];
  let sent = 0;
  let underWay = [];
  let failed = false;
  let scheduled = false;
  let waiters = [];

  function findTabId() {
    const key = "northwind-tab";
    try {
      let id = sessionStorage.getItem(key);
      // A popup starts with a copy of its opener's storage, and is a tab of its own all the same.
      if (id !== null && window.opener?.sessionStorage.getItem(key) === id) id = null;
      if (id === null) sessionStorage.setItem(key, (id = newId()));
      return id;
    } catch {
      return undefined;
    }
  }

  function describe(event) {
    const target = event.target;
    const record = {
      type: event.type,
      target: target instanceof Element ? (target.id || target.tagName.toLowerCase()).slice(0, 256) : "document",
      isTrusted: event.isTrusted,
      at: Date.now(),
    };
    const point = event instanceof MouseEvent ? event : window.TouchEvent && event instanceof TouchEvent ? event.changedTouches[0] : undefined;
    if (point) {
      record.x = point.clientX;
      record.y = point.clientY;
    }
    if (event instanceof MouseEvent) {
      record.button = event.button;
      record.buttons = event.buttons;
      record.detail = event.detail;
    }
    if (event instanceof WheelEvent) {
      record.deltaX = event.deltaX;
      record.deltaY = event.deltaY;
    }
    if (event instanceof KeyboardEvent) {
      record.key = event.key.slice(0, 256);
      record.code = event.code.slice(0, 256);
    }
    if (typeof event.ctrlKey === "boolean") {
      record.ctrlKey = event.ctrlKey;
      record.shiftKey = event.shiftKey;
      record.altKey = event.altKey;
      record.metaKey = event.metaKey;
    }
    if (typeof event.inputType === "string") record.inputType = event.inputType;
    if (typeof event.data === "string") record.data = event.data.slice(0, maxText);
    if ((event.type === "input" || event.type === "change") && typeof target.value === "string") {
      record.value = target.value.slice(0, maxText);
    }
    if (event.type === "paste" && event.clipboardData) {
      record.value = event.clipboardData.getData("text/plain").slice(0, maxText);
    }
    return record;
  }

  function record(event) {
    if (queue.length >= maxQueue) return;
    const described = describe(event);
    queue.push(described);
    recorded += 1;
    window.__onRecorded?.(described);
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      send();
    });
  }

  function batch(from, to = queue.length) {
    const events = [];
    let bytes = 0;
    for (let index = from; index < to && events.length < maxBatchEvents; index += 1) {
      const encoded = JSON.stringify(queue[index]);
      bytes += encoder.encode(encoded).byteLength;
      if (events.length > 0 && bytes > maxBatchBytes) break;
      events.push(encoded);
    }
    const head = JSON.stringify({ page: location.pathname, pageId, tabId, acked, first: acked + from });
    const body = head.slice(0, -1) + ',"events":[' + events.join(",") + "]}";
    return { count: events.length, body, bytes: encoder.encode(body).byteLength };
  }

  function send() {
    while (!failed && sent < queue.length && underWay.length < maxUnderWay) {
      const next = batch(sent);
      const bytesUnderWay = underWay.reduce((sum, request) => sum + request.bytes, 0);
      if (underWay.length > 0 && bytesUnderWay + next.bytes > maxUnderWayBytes) return;
      sent += next.count;
      underWay.push(next);
      void settle(next);
    }
  }

  async function settle(request) {
    try {
      await post(request.body);
    } catch (error) {
      failed = true;
      for (const waiter of waiters.splice(0)) waiter.reject(error);
    }
    request.settled = true;
    if (failed) {
      if (underWay.every(({ settled }) => settled)) setTimeout(startOver, retryAfterMs);
      return;
    }
    while (underWay[0]?.settled) {
      const { count } = underWay.shift();
      queue.splice(0, count);
      sent -= count;
      acked += count;
    }
    waiters = waiters.filter((waiter) => acked < waiter.goal || waiter.resolve());
    send();
  }

  async function post(body) {
    const response = await fetch("/__events", {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json" },
      body,
    });
    // An answer that nobody reads keeps its request under way.
    const answer = await response.text();
    if (!response.ok) throw new Error("The site refused recorded events: " + response.status + " " + answer);
  }

  function startOver() {
    failed = false;
    underWay = [];
    sent = 0;
    send();
  }

  window.__flushed = () =>
    new Promise((resolve, reject) => {
      if (acked >= recorded) resolve();
      else waiters.push({ goal: recorded, resolve, reject });
    });

  for (const type of types) window.addEventListener(type, record, { capture: true, passive: true });

  function beacon(from, to) {
    while (from < to) {
      const { count, body } = batch(from, to);
      if (!navigator.sendBeacon("/__events", new Blob([body], { type: "application/json" }))) return;
      from += count;
    }
  }

  // What is under way goes last: those requests outlive the page, and the site drops repeats. Nothing leaves the queue,
  // so a page that comes back from the back/forward cache goes on where it was.
  window.addEventListener("pagehide", () => {
    beacon(sent, queue.length);
    beacon(0, sent);
  });
})();`;
