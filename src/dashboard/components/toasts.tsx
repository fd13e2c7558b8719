import { dismissToast, toasts } from "../state/toasts.ts";
import { Icon } from "./icon.tsx";

export function Toasts() {
  return (
    <section class="toasts" aria-label="Messages" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast is-${toast.tone}`} data-testid="toast">
          <p>{toast.text}</p>
          {toast.action !== undefined && (
            <button
              type="button"
              class="button small"
              onClick={() => {
                dismissToast(toast.id);
                toast.action?.run();
              }}
            >
              {toast.action.label}
            </button>
          )}
          <button
            type="button"
            class="button icon-only quiet"
            aria-label="Dismiss"
            onClick={() => dismissToast(toast.id)}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
    </section>
  );
}
