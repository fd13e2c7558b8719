import { signal } from "@preact/signals";

/** A tab that is looked away from for a moment should not lose its picture. */
const HIDDEN_GRACE_MS = 5_000;

/** False once the browser tab has been in the background for a while: nobody watches then. */
export const pageVisible = signal(document.visibilityState === "visible");

let timer: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.visibilityState === "visible") pageVisible.value = true;
  else timer = setTimeout(() => (pageVisible.value = false), HIDDEN_GRACE_MS);
});
