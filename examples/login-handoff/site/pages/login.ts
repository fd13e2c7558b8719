import { errorNote, escapeHtml, stepPage } from "./layout.ts";

export interface LoginView {
  readonly username?: string;
  readonly error?: string;
}

export function loginPage({ username = "", error }: LoginView = {}): string {
  return stepPage({
    title: "Sign in",
    step: "Sign in",
    headline: "A steady wind behind your money.",
    main: `<h1>Welcome back</h1>
<p class="lead">Sign in to see your accounts.</p>
<form method="post" action="/login" id="login-form" novalidate>
${errorNote(error)}
<div class="field">
<label for="username">Username</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" placeholder="ada" value="${escapeHtml(username)}">
</div>
<div class="field">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
</div>
<div class="field"><button class="button" id="sign-in">Sign in</button></div>
</form>
<p class="hint"><span>Demo: <b>any name and password work</b>. Don’t use real ones: this site records every key.</span></p>`,
  });
}
