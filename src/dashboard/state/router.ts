import { computed, signal } from "@preact/signals";
import { parseRoute } from "../lib/routes.ts";

const address = signal(currentAddress());

function currentAddress(): string {
  return location.pathname + location.search;
}

export const route = computed(() => parseRoute(address.value));

export function navigate(path: string): void {
  history.pushState(null, "", path);
  address.value = currentAddress();
  scrollTo(0, 0);
}

addEventListener("popstate", () => {
  address.value = currentAddress();
});
