const PATHS = {
  back: "M10 3.5 5.5 8l4.5 4.5",
  forward: "M6 3.5 10.5 8 6 12.5",
  reload: "M13 8a5 5 0 1 1-1.6-3.67M13 2.5V5h-2.5",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  plus: "M8 3.5v9M3.5 8h9",
  keyboard: "M2 5h12v7H2zM4.5 7.5h0M7 7.5h0M9 7.5h0M11.5 7.5h0M5.5 10h5",
  copy: "M6 6h7v7H6zM10 3.5V3H3v7h.5",
  check: "M3.5 8.5 6.5 11.5 12.5 5",
  search: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3 3",
  lock: "M4 7.5h8V13H4zM5.5 7.5V5.25a2.5 2.5 0 0 1 5 0V7.5",
  panel: "M3 11l5-5 5 5",
  eye: "M1.5 8s2.5-4 6.5-4 6.5 4 6.5 4-2.5 4-6.5 4-6.5-4-6.5-4zM8 6.25a1.75 1.75 0 1 0 0 3.5 1.75 1.75 0 0 0 0-3.5z",
  share: "M8 9.5v-7M5.25 5 8 2.25 10.75 5M5 7.5H3.5v6h9v-6H11",
  zoomOut: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3 3M5.5 7h3",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
