import { Icon } from "./icon.tsx";

/** One sentence about who sees the page, with a lock before it. */
export function PrivacyLine({ text }: { text: string }) {
  return (
    <p class="privacy-line">
      <Icon name="lock" />
      <span>{text}</span>
    </p>
  );
}
