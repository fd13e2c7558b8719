/** Why somebody stands before a closed door, as the page says it. */
export interface Refusal {
  /** The gateway's `details.reason`; `refused` when it gave none, `closed` when it is not about the token. */
  readonly reason: string;
  /** How this person came, or tried to. */
  readonly by: "link" | "token" | "nothing";
  /** They were in, and watched or drove until now. */
  readonly wasIn: boolean;
  /** The gateway's own words, for a reason that this page has none for. */
  readonly message?: string;
}

export interface RefusalWords {
  readonly title: string;
  readonly text: string;
  /** What to do now. */
  readonly advice: string;
}

const NOTHING_LOST =
  "Nothing is lost: the browser stays as it is. If you were driving, it waits a little while, and then goes back to the agent or to the queue.";
const NEW_LINK = "Ask the person who sent you the link for a new one.";
const NEW_TOKEN = "Sign in with a new token, or ask whoever runs this gateway for one.";
const WHOLE_LINK =
  "Open it again from where you got it, all of it: chats and mails sometimes cut long links.";

export function refusalWords({ reason, by, wasIn, message }: Refusal): RefusalWords {
  const link = by === "link";
  const again = link ? NEW_LINK : NEW_TOKEN;
  switch (reason) {
    case "missing":
      return {
        title: "Sign in",
        text: "This gateway lets in who has a token. If somebody sent you a link, open it again: it signs you in by itself.",
        advice: "Paste your token below. It stays in this browser tab and ends with it.",
      };
    case "expired":
      if (wasIn) {
        return {
          title: link ? "Your time here is over" : "Your token has expired",
          text: NOTHING_LOST,
          advice: again,
        };
      }
      return {
        title: link ? "This link has expired" : "This token has expired",
        text: "It was good for a limited time, and that is over.",
        advice: again,
      };
    case "revoked":
      return {
        title: wasIn ? "Your access was ended" : link ? "This link was withdrawn" : "This token was revoked",
        text: wasIn
          ? `Somebody who may do so ended it. ${NOTHING_LOST}`
          : "Somebody who may do so ended it before its time.",
        advice: again,
      };
    case "used":
      return {
        title: "This link was used already",
        text: "It opens once. If it was you who opened it, go on in the tab where you did. If it was not, tell the person who sent it: somebody else may have it.",
        advice: NEW_LINK,
      };
    case "malformed":
      return link
        ? { title: "This link is not whole", text: "A part of it is missing or changed.", advice: WHOLE_LINK }
        : {
            title: "That is no token",
            text: "A token is one long word with two dots in it.",
            advice: "Copy it whole, and paste it once more.",
          };
    case "not_yet_valid":
      return {
        title: link ? "This link is not valid yet" : "This token is not valid yet",
        text: "It begins to be good at a later time.",
        advice: "Try again then. If that time has come, a clock is wrong, here or there.",
      };
    case "closed":
      return {
        title: "The gateway ended the connection",
        text: message ?? "It did not say why.",
        advice: "Reload this page, or sign in anew.",
      };
    default:
      return {
        title: link ? "This link is not for here" : "This token is not for here",
        text: "The gateway does not take it: it was made with another key, for another gateway, or in a way that it does not accept.",
        advice: again,
      };
  }
}
