/**
 * Wire version. A change of any schema in this folder that an older peer could notice needs a new number;
 * `test/unit/protocol/version.test.ts` fails when the schemas' hash moves and this file does not.
 *
 * 1: first published version.
 */
export const PROTOCOL_VERSION = 1;

/** Oldest version the gateway still speaks. */
export const PROTOCOL_FLOOR = 1;

/** The WebSocket subprotocol that a client offers on `/v1/connect`. */
export const SUBPROTOCOL = "baton.v1";
