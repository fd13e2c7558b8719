/** Two halves of one stick: one hand lets go, the other takes. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <path class="logo-from" d="M5 19 10.5 13.5" />
      <path class="logo-to" d="M13.5 10.5 19 5" />
    </svg>
  );
}
