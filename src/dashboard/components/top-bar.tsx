import type { ComponentChildren } from "preact";
import { ConnectionBadge } from "./connection-badge.tsx";
import { Link } from "./link.tsx";
import { Logo } from "./logo.tsx";
import { NameField } from "./name-field.tsx";

interface Props {
  /** Why the name cannot be changed now. */
  nameLocked?: string | undefined;
  children?: ComponentChildren;
}

export function TopBar({ nameLocked, children }: Props) {
  return (
    <header class="top-bar">
      <Link href="/" class="brand" aria-label="Baton, all sandboxes">
        <Logo />
        <span class="wordmark">Baton</span>
      </Link>
      {children}
      <div class="top-bar-end">
        <ConnectionBadge />
        <NameField locked={nameLocked} />
      </div>
    </header>
  );
}
