import { useSignal } from "@preact/signals";
import { showToast } from "../state/toasts.ts";
import { Icon } from "./icon.tsx";

const COPIED_SHOWN_MS = 2_000;

/** Code to copy. */
export function CodeBlock({ label, code }: { label: string; code: string }) {
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(code);
      copied.value = true;
      setTimeout(() => (copied.value = false), COPIED_SHOWN_MS);
    } catch {
      // Pages that are not served over https or from localhost have no clipboard.
      showToast({ tone: "bad", text: "This page may not use the clipboard. Select the text and copy it." });
    }
  };
  return (
    <figure class="code-block">
      <figcaption>
        {label}
        <button type="button" class="button small quiet" onClick={() => void copy()}>
          <Icon name={copied.value ? "check" : "copy"} />
          {copied.value ? "Copied" : "Copy"}
        </button>
      </figcaption>
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </figure>
  );
}
