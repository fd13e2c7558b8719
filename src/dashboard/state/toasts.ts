import { signal } from "@preact/signals";
import { BatonError } from "../../../protocol/errors.ts";

export interface Toast {
  readonly id: number;
  readonly tone: "info" | "bad";
  readonly text: string;
  readonly action?: { readonly label: string; run(): void };
}

/** More than these cover the page; the oldest leaves first. */
const MAX_TOASTS = 3;
const SHOWN_MS = 6_000;
const SHOWN_WITH_ACTION_MS = 9_000;

export const toasts = signal<readonly Toast[]>([]);
const timers = new Map<number, ReturnType<typeof setTimeout>>();
let lastId = 0;

/** Shows a message for some seconds. The same text again renews the one that is shown. */
export function showToast(toast: Omit<Toast, "id">): void {
  const id = ++lastId;
  for (const old of toasts.value) if (old.text === toast.text) dismissToast(old.id);
  for (const old of toasts.value.slice(0, Math.max(0, toasts.value.length - MAX_TOASTS + 1)))
    dismissToast(old.id);
  toasts.value = [...toasts.value, { ...toast, id }];
  timers.set(
    id,
    setTimeout(() => dismissToast(id), toast.action ? SHOWN_WITH_ACTION_MS : SHOWN_MS),
  );
}

/** As `showError`, but for moves of the pointer that a change of tabs overtook: nothing was meant by them. */
export function showRefusal(error: unknown): void {
  if (error instanceof BatonError && error.code === "stale_tab") return;
  showError(error);
}

export function showError(error: unknown): void {
  showToast({ tone: "bad", text: messageOf(error) });
}

/** An error in a sentence. Those of the gateway say what is wrong and what to do. */
export function messageOf(error: unknown): string {
  if (error instanceof Error && error.message !== "") return error.message;
  return "Something failed without saying why. Try again; the gateway's log may tell more.";
}

export function dismissToast(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
