import { CodeBlock } from "../components/code-block.tsx";
import { Logo } from "../components/logo.tsx";
import { grant } from "../state/connection.ts";

/** What to do on an empty gateway. */
export function GettingStarted() {
  const { origin } = location;
  // Placeholders: the page's own token is for no shell history.
  const asksForTokens = grant.value !== undefined;
  const header = asksForTokens ? '  -H "authorization: Bearer $BATON_TOKEN" \\\n' : "";
  const token = asksForTokens ? "token: process.env.BATON_TOKEN" : 'role: "agent"';
  const curl = `curl -X POST ${origin}/v1/sandboxes \\
${header}  -H 'content-type: application/json' \\
  -d '{"sandboxId":"first","browser":{"launch":true,"url":"https://example.com"}}'`;
  const sdk = `import { connect } from "baton/sdk";

const client = connect({ url: "${origin}", ${token} });
const sandbox = client.sandbox("first");

await sandbox.requestHumanHandoff({
  reason: "approval",
  message: "Please check the order before I pay.",
  resumePrompt: "Go on with the payment.",
});
await sandbox.waitForHandoff();`;
  return (
    <div class="getting-started">
      <Logo />
      <h2 id="sandboxes-title">No sandboxes yet</h2>
      <p class="lead">
        A sandbox is one browser that an agent drives and that people can watch and take over. Create the
        first one and it shows up here at once.
      </p>
      <ol class="steps">
        <li>
          <h3>Create a sandbox</h3>
          <p>The gateway starts a Chromium for it.</p>
          <CodeBlock label="Shell" code={curl} />
        </li>
        <li>
          <h3>Let the agent ask for a person</h3>
          <p>The request appears here with a Claim button, and the agent waits until somebody is done.</p>
          <CodeBlock label="TypeScript" code={sdk} />
        </li>
      </ol>
    </div>
  );
}
