import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { CodeBlock } from "../components/code-block.tsx";
import { Logo } from "../components/logo.tsx";
import { refusalWords, type Refusal } from "../lib/access-words.ts";
import { tokenIn } from "../lib/token-text.ts";
import { status } from "../state/connection.ts";
import { signIn, tryAgain } from "../state/credential.ts";

/** Before a closed door: why it is closed, and what opens it. */
export function RefusedPage({ refusal }: { refusal: Refusal }) {
  const { title, text, advice } = refusalWords(refusal);
  const link = refusal.by === "link";
  useEffect(() => {
    document.title = `${title} · Baton`;
  }, [title]);
  return (
    <main class="refused" data-testid="refused" data-reason={refusal.reason}>
      <div class="refused-card">
        <Logo />
        <h1>{title}</h1>
        <p>{text}</p>
        <p>{advice}</p>
        {link ? (
          <>
            <div class="refused-actions">
              <button type="button" class="button" onClick={tryAgain}>
                Try again
              </button>
            </div>
            <details>
              <summary>I have a token</summary>
              <SignInForm />
            </details>
          </>
        ) : (
          <SignInForm focus />
        )}
      </div>
    </main>
  );
}

function SignInForm({ focus }: { focus?: boolean }) {
  const typed = useSignal("");
  const problem = useSignal<string | undefined>(undefined);
  const field = useRef<HTMLInputElement>(null);
  const trying = status.value !== "closed";
  useEffect(() => {
    if (focus) field.current?.focus();
  }, []);

  const submit = (event: Event): void => {
    event.preventDefault();
    const token = tokenIn(typed.peek());
    if (token === undefined) {
      problem.value =
        "That is no token: it is one long word with two dots in it. Paste it whole, or the link.";
      return;
    }
    problem.value = undefined;
    typed.value = "";
    signIn(token);
  };
  return (
    <form class="sign-in" onSubmit={submit}>
      <label class="field">
        <span>Token</span>
        <input
          ref={field}
          class="text-input"
          data-testid="token-input"
          type="password"
          name="token"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder="eyJ…"
          aria-invalid={problem.value !== undefined}
          aria-describedby="token-problem"
          value={typed.value}
          onInput={(event) => (typed.value = event.currentTarget.value)}
        />
      </label>
      <p class="form-problem" id="token-problem" role="alert">
        {problem.value}
      </p>
      <button type="submit" class="button primary" data-testid="sign-in" disabled={trying}>
        {trying ? "Signing in…" : "Sign in"}
      </button>
      <details class="how-to">
        <summary>How to get a token</summary>
        <p>Whoever runs the gateway makes one where its secret is known:</p>
        <CodeBlock label="Shell" code="npx baton token --subject ana --role operator" />
      </details>
    </form>
  );
}
