import type { ComponentChildren } from "preact";
import { navigate } from "../state/router.ts";

interface Props {
  href: string;
  class?: string;
  children: ComponentChildren;
  "aria-label"?: string;
}

/** A link within the app: no page load on a plain click, everything else as a link does. */
export function Link({ href, children, ...rest }: Props) {
  const follow = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a href={href} onClick={follow} {...rest}>
      {children}
    </a>
  );
}
