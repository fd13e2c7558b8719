import { chartScript } from "./account-chart.ts";
import { accountStyles } from "./account-styles.ts";
import { brandLink, escapeHtml, page } from "./layout.ts";
import { money, olderBookings, payments } from "./ledger.ts";
import type { Booking } from "./ledger.ts";

const approveScript = String.raw`
(() => {
  const button = document.getElementById("approve-transfer");
  const status = document.getElementById("transfer-status");
  const note = document.getElementById("transfer-note");
  button.addEventListener("click", () => {
    if (window.confirm("Send €1,240.00 to Halden Studio?")) {
      status.textContent = note.value === "" ? "Approved" : "Approved: " + note.value;
      status.dataset.state = "approved";
      button.textContent = "Transfer approved";
      button.disabled = true;
      note.disabled = true;
    } else {
      status.textContent = "Not sent";
      status.dataset.state = "declined";
    }
  });
})();
`;

const tints = ["#d8ecff", "#dff3d4", "#ffe6d2", "#f3e3ff", "#fff1c4", "#d5f1ee"];

function paymentRow({ date, name, note, cents }: Booking, index: number): string {
  const tint = tints[index % tints.length] ?? "#eee";
  return `<li><i style="background:${tint}">${escapeHtml(name.slice(0, 1))}</i><div><b>${escapeHtml(name)}</b><span>${escapeHtml(note)} · ${date}</span></div><b class="number${cents > 0 ? " incoming" : ""}">${cents > 0 ? "+" : ""}${money(cents)}</b></li>`;
}

function activityRow({ date, name, note, cents }: Booking): string {
  return `<li><span class="number">${date}</span><span>${escapeHtml(name)}</span><span class="muted">${note}</span><span class="number">${money(cents)}</span></li>`;
}

export interface AccountView {
  readonly username: string;
}

export function accountPage({ username }: AccountView): string {
  const name = escapeHtml(username);
  return page({
    title: "Your account",
    styles: accountStyles,
    script: approveScript + chartScript,
    body: `<header class="bar">
${brandLink("/account")}
<nav aria-label="Account"><a href="/account" aria-current="page">Overview</a><a href="/statement" target="_blank" id="open-statement">Statement</a></nav>
<p class="who"><i>${escapeHtml(String.fromCodePoint(username.codePointAt(0) ?? 78).toUpperCase())}</i><b id="signed-in-as">${name}</b></p>
<a class="sign-out" href="/logout" id="sign-out">Sign out</a>
</header>
<main class="grid">
<section class="card balance" aria-label="Balance">
<div class="balance-top"><div><p>Everyday account</p><h1 class="number" id="balance">${money(1_834_062)}</h1></div><p class="live"><i></i>Savings rate, live</p></div>
<div class="chart"><canvas id="live-chart" role="img" aria-label="Savings rate, live"></canvas></div>
</section>
<section class="card transfer" aria-labelledby="transfer-title">
<p class="badge">Waiting for you</p>
<h2 id="transfer-title">Transfer to Halden Studio</h2>
<p class="amount number">${money(124_000)}</p>
<div class="field"><label for="transfer-note">Note</label><input id="transfer-note" name="transfer-note" placeholder="Invoice 2041" maxlength="200" autocomplete="off"></div>
<button class="button" type="button" id="approve-transfer">Approve transfer</button>
<p id="transfer-status" role="status"></p>
</section>
<section class="card" aria-labelledby="payments-title">
<h2 id="payments-title">Payments</h2>
<ul class="payments" id="payments">${payments.map(paymentRow).join("")}</ul>
</section>
<section class="card" aria-labelledby="activity-title">
<h2 id="activity-title">Activity</h2>
<ul class="activity" id="activity" tabindex="0" aria-labelledby="activity-title">${olderBookings.map(activityRow).join("")}</ul>
<details id="account-details"><summary id="account-details-summary">Account details</summary><dl><div><dt>Holder</dt><dd>${name}</dd></div><div><dt>Account</dt><dd class="number">NW 0042 1177 2046 81</dd></div><div><dt>Interest</dt><dd>2.4 % a year</dd></div></dl></details>
</section>
</main>`,
  });
}
