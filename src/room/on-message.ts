/** What each message does. Exhaustive; answers are returned, and the session sends them. */
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import { actedFor } from "../auth/door.ts";
import { noTokens } from "../auth/identity.ts";
import { authorize, authorizeName, countedAs, driverOf } from "../core/access.ts";
import { standsFor } from "./member.ts";
import type { Committed } from "./operations.ts";
import type { Greeted, Joined, Session } from "./session.ts";

/** Sandboxes one socket may follow. */
const MAX_JOINED = 1_000;

export function onMessage(session: Session, message: Greeted): void {
  const { operations, lobby, door } = session.context;
  if (message.type === "ping") return session.send({ type: "pong", id: message.id, serverTime: Date.now() });
  const sandboxId = "sandboxId" in message ? message.sandboxId : undefined;
  try {
    authorize(session, message.type, sandboxId);
    // What comes all the time has the socket's own limits.
    if (message.type !== "input" && message.type !== "preview.ack") door.limits.call(countedAs(session));
  } catch (error) {
    door.refused(session, message.type, error, { ...(sandboxId !== undefined && { sandboxId }) });
    return session.fail(error, message);
  }
  switch (message.type) {
    case "auth.refresh":
      return session.enqueue(message, () => refresh(session, message));
    case "auth.renew":
      return session.enqueue(message, () => renew(session, message));

    case "sandbox.join":
      return session.enqueue(message, () => join(session, message));
    case "sandbox.leave":
      return session.enqueue(message, async () => {
        leave(session, message.sandboxId);
        return done(message.id);
      });
    case "lobby.join":
      return session.enqueue(message, async () => {
        await lobby.join(session, message.id);
        return null;
      });
    case "lobby.leave":
      return session.enqueue(message, async () => {
        lobby.leave(session.connectionId);
        return done(message.id);
      });

    case "handoff.get":
      return session.enqueue(message, async () => ({
        type: "result",
        id: message.id,
        result: await operations.get(message.sandboxId, session),
      }));
    case "handoff.request":
      return change(session, message, (params) => operations.request(message.sandboxId, session, params));
    case "handoff.accept":
      return change(
        session,
        message,
        (params) => operations.accept(message.sandboxId, session, params),
        message.controller,
      );
    case "handoff.complete":
      return change(session, message, (params) => operations.complete(message.sandboxId, session, params));
    case "handoff.cancel":
      return change(session, message, (params) => operations.cancel(message.sandboxId, session, params));
    case "control.take":
      return change(
        session,
        message,
        (params) => operations.take(message.sandboxId, session, params),
        message.controller,
      );
    case "control.release":
      return change(session, message, (params) => operations.release(message.sandboxId, session, params));
    case "control.pass":
      return change(session, message, (params) => operations.pass(message.sandboxId, session, params));
    case "control.privacy":
      return change(session, message, (params) => operations.setPrivacy(message.sandboxId, session, params));

    case "input":
      // Beside the queue: a click must not wait for an answer that the store owes to an earlier call.
      return void session.reply(message, () => input(session, message));

    case "preview.start":
      return session.enqueue(message, async () => {
        const room = session.roomOf(message.sandboxId);
        const { type: _, id, sandboxId, ...options } = message;
        session.send({ type: "preview.started", id, sandboxId, stream: room.attachment.preview.stream });
        room.watch(session, options);
        return null;
      });
    case "preview.stop":
      return session.enqueue(message, async () => {
        session.roomOf(message.sandboxId).unwatch(session);
        return done(message.id);
      });
    case "preview.ack":
      return session.joined
        .get(message.sandboxId)
        ?.room.attachment.preview.shown(session.connectionId, message.seq);

    case "resume.claim":
      return session.enqueue(message, async () => {
        await session.roomOf(message.sandboxId).attendance.claimResume(session, message.requestId);
        return done(message.id);
      });
    case "resume.answer":
      return session.enqueue(message, async () => {
        const { requestId, ok, response } = message;
        const by = { name: session.name, role: session.role };
        await session.roomOf(message.sandboxId).dispatch({
          type: "resume.answer",
          requestId,
          clientId: session.clientId,
          ok,
          ...(response !== undefined && { response }),
          by,
        });
        return done(message.id);
      });
  }
}

async function join(session: Session, message: Extract<Greeted, { type: "sandbox.join" }>): Promise<null> {
  const { sandboxId } = message;
  // A refresh may have come before it in the queue, and the newer token need not reach this sandbox.
  authorize(session, "sandbox.join", sandboxId);
  if (session.joined.size >= MAX_JOINED && !session.joined.has(sandboxId)) {
    throw new BatonError(
      "too_many",
      `One socket may follow ${MAX_JOINED} sandboxes. Leave some, or open another socket.`,
      { limit: "joined" },
    );
  }
  leaveRoom(session, sandboxId);
  const { room, release } = await session.context.rooms.acquire(sandboxId);
  try {
    // The socket may have closed while the room was opened.
    if (session.gone) return null;
    session.joined.set(sandboxId, { room });
    const { id, since, resume } = message;
    await room.join(session, { id, ...(since && { since }), ...(resume !== undefined && { resume }) });
  } catch (error) {
    leaveRoom(session, sandboxId);
    throw error;
  } finally {
    // From here on the membership keeps it open.
    release();
  }
  return null;
}

async function refresh(
  session: Session,
  { id, token }: Extract<Greeted, { type: "auth.refresh" }>,
): Promise<DownMessage> {
  const { door } = session.context;
  if (!door.auth || !session.identity) throw noTokens();
  const identity = await door.refresh(door.auth, session.identity, token, session.address);
  session.adopt(identity);
  return { type: "auth.updated", id, expiresAt: identity.expiresAt };
}

/** Nobody is shown the door in the middle of a handoff, and nobody else stays longer than they were given. */
async function renew(
  session: Session,
  { id }: Extract<Greeted, { type: "auth.renew" }>,
): Promise<DownMessage> {
  const { auth } = session.context.door;
  if (!auth || !session.identity) throw noTokens();
  // By its name alone a watcher could be taken for the one who drives.
  const holds = [...session.joined.values()].some(({ room: { sandbox } }) => {
    const { handoff } = sandbox;
    return handoff?.status === "accepted" && standsFor(session, handoff.controller);
  });
  if (!holds) {
    throw new BatonError(
      "forbidden",
      "A link gives more time only in the middle of a handoff. Accept the one that is open, or ask for another link.",
    );
  }
  const { identity, session: renewed } = await auth.renew(session.identity);
  session.adopt(identity);
  return { type: "auth.updated", id, expiresAt: identity.expiresAt, session: { ...renewed } };
}

function leave(session: Session, sandboxId: string): void {
  session.claims.end(sandboxId);
  leaveRoom(session, sandboxId);
}

function leaveRoom(session: Session, sandboxId: string): void {
  const joined = session.joined.get(sandboxId);
  if (!joined) return;
  session.joined.delete(sandboxId);
  joined.room.leave(session.connectionId);
}

async function input(
  session: Session,
  message: Extract<Greeted, { type: "input" }>,
): Promise<DownMessage | null> {
  const { controller, epoch, tab, events, sandboxId } = message;
  const aim = { ...(epoch !== undefined && { epoch }), ...(tab !== undefined && { tab }) };
  const joined = session.joined.get(sandboxId);
  try {
    authorizeName(session, controller);
    const room = session.roomOf(sandboxId);
    await room.attachment.submit(driverOf(session.role, session.name, controller), aim, events);
  } catch (error) {
    if (joined)
      onceAnEpoch(joined, "refusedIn", (now) =>
        session.context.door.refused(session, "input", error, { sandboxId, epoch: now }),
      );
    throw error;
  }
  if (joined)
    onceAnEpoch(
      joined,
      "droveIn",
      (now) =>
        void session.context.door.did(session, {
          action: "input",
          sandboxId,
          epoch: now,
          ...actedFor(session, controller),
        }),
    );
  return message.id === undefined ? null : done(message.id);
}

/** Who drove is recorded, not every move of the pointer. */
function onceAnEpoch(joined: Joined, which: "droveIn" | "refusedIn", record: (epoch: number) => void): void {
  const { epoch } = joined.room.sandbox;
  if (joined[which] === epoch) return;
  joined[which] = epoch;
  record(epoch);
}

type Call = Extract<Greeted, { id: string; sandboxId: string }>;

/**
 * A change keeps its turn until it is committed; its answer may take longer and does not hold up the next one.
 * @param controller who holds the browser after it
 */
function change<M extends Call>(
  session: Session,
  message: M,
  start: (params: Omit<M, "type" | "id" | "sandboxId">) => Promise<Committed>,
  controller?: string,
): void {
  const { type: _, id, sandboxId, ...params } = message;
  session.enqueue(message, async () => {
    const claims = controller !== undefined && controller === session.name;
    const claim = claims ? await session.claims.begin(sandboxId) : undefined;
    // Nobody is there any more to drive.
    if (claim && session.gone) {
      claim.refused();
      return null;
    }
    const { settled } = await start(params).catch((error: unknown) => {
      // Without an answer it may be in.
      if (error instanceof BatonError && error.retryable) claim?.committed();
      else claim?.refused();
      throw error;
    });
    claim?.committed();
    void session.reply({ id, sandboxId }, async () => ({ type: "result", id, result: await settled }));
    return null;
  });
}

function done(id: string): DownMessage {
  return { type: "done", id };
}
