import { randomBytes } from "node:crypto";

export interface Session {
  readonly id: string;
  readonly username: string;
  /** Set by the MFA step; the browser proves the step by sending it back in its own cookie. */
  mfaToken?: string;
  robotCheck: boolean;
}

/** Open sessions; beyond that the oldest is forgotten and its owner has to sign in again. */
const maxSessions = 1000;

const sessionCookie = "northwind_session";
const mfaCookie = "northwind_mfa";
const cookieFlags = "; Path=/; HttpOnly; SameSite=Lax";

/** What the cookies of one request prove. */
export interface Visitor {
  readonly session: Session | undefined;
  readonly mfa: boolean;
}

export class Sessions {
  readonly #sessions = new Map<string, Session>();

  /** Opens a session and answers its `Set-Cookie` values. An older MFA cookie of the browser is cleared. */
  signIn(username: string): string[] {
    const session: Session = { id: newToken(), username, robotCheck: false };
    this.#sessions.set(session.id, session);
    if (this.#sessions.size > maxSessions) {
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest);
        break;
      }
    }
    return [`${sessionCookie}=${session.id}${cookieFlags}`, expired(mfaCookie)];
  }

  /** Marks the MFA step as done and answers its `Set-Cookie` values. */
  passMfa(session: Session): string[] {
    session.mfaToken = newToken();
    return [`${mfaCookie}=${session.mfaToken}${cookieFlags}`];
  }

  signOut(visitor: Visitor): string[] {
    if (visitor.session !== undefined) this.#sessions.delete(visitor.session.id);
    return [expired(sessionCookie), expired(mfaCookie)];
  }

  visitor(cookieHeader: string | undefined): Visitor {
    const cookies = parseCookies(cookieHeader ?? "");
    const session = this.#sessions.get(cookies.get(sessionCookie) ?? "");
    const mfa = session?.mfaToken !== undefined && cookies.get(mfaCookie) === session.mfaToken;
    return { session, mfa };
  }
}

function newToken(): string {
  return randomBytes(18).toString("base64url");
}

function expired(name: string): string {
  return `${name}=; Max-Age=0${cookieFlags}`;
}

function parseCookies(header: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals > 0) cookies.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim());
  }
  return cookies;
}
