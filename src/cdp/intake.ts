/** Makes a command of what a client sent, or says what is wrong with it, as Chromium would. */
import { classify } from "../core/cdp-policy.ts";
import { understood, type Command } from "./commands.ts";
import { errorMessage, INVALID_REQUEST, NO_SUCH_SESSION } from "./messages.ts";
import { scanCommand } from "./scan.ts";
import type { Sessions } from "./sessions.ts";
import { OWN_IDS_FROM } from "./upstream.ts";

/** Chromium's number for what is not JSON. */
const PARSE_ERROR = -32_700;
/** CDP's ids are 32-bit integers. */
const MAX_ID = 2_147_483_647;

/** @returns the answer to send, for what is no command */
export function readCommand(bytes: Buffer, sessions: Sessions): Command | Buffer {
  const scanned = scanCommand(bytes);
  if (!scanned.ok) {
    const { code, message, id } = scanned;
    return errorMessage(id === undefined ? {} : { id }, { code, message });
  }
  const { envelope } = scanned;
  const { id, method, sessionId } = envelope;
  const address = { ...(id !== undefined && { id }), ...(sessionId !== undefined && { sessionId }) };
  const invalid = (message: string): Buffer => errorMessage(address, { code: INVALID_REQUEST, message });
  if (id === undefined) return invalid("Message must have integer 'id' property");
  if (method === undefined) return invalid("Message must have string 'method' property");
  if (id <= OWN_IDS_FROM || id > MAX_ID) return invalid(`The id ${id} is out of range. Count from 1.`);
  const session = sessions.get(sessionId);
  if (!session) return errorMessage(address, NO_SUCH_SESSION);
  const params = understood(bytes, envelope);
  if (params === null)
    return errorMessage(address, {
      code: PARSE_ERROR,
      message: "params hold control characters. Escape them.",
    });
  const drives = classify(method, params) === "drive";
  return { bytes, envelope, id, method, params, session, drives, dialog: session.dialogs };
}
