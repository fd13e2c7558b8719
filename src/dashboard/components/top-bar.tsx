import type { ComponentChildren } from "preact";
import { grant } from "../state/connection.ts";
import { ConnectionBadge } from "./connection-badge.tsx";
import { Link } from "./link.tsx";
import { Logo } from "./logo.tsx";
import { NameField } from "./name-field.tsx";

interface Props {
  /** Why the name cannot be changed now. */
  nameLocked?: string | undefined;
  children?: ComponentChildren;
  /** Stands before the state of the connection. */
  tools?: ComponentChildren;
}

export function TopBar({ nameLocked, children, tools }: Props) {
  const brand = (
    <>
      <Logo />
      <span class="wordmark">Baton</span>
    </>
  );
  return (
    <header class="top-bar">
      {grant.value?.link === undefined ? (
        <Link href="/" class="brand" aria-label="Baton, all sandboxes">
          {brand}
        </Link>
      ) : (
        <span class="brand">{brand}</span>
      )}
      {children}
      <div class="top-bar-end">
        {tools}
        <ConnectionBadge />
        <NameField locked={nameLocked} />
      </div>
    </header>
  );
}
