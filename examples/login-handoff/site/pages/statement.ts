import { brandLink, escapeHtml, page } from "./layout.ts";
import { money, olderBookings, payments } from "./ledger.ts";

const styles = `
.sheet { max-width: 820px; margin: 32px auto; padding: 36px 40px 40px; border-radius: var(--radius); background: var(--card); box-shadow: var(--shadow); }
.sheet .brand { margin-bottom: 26px; color: var(--brand); }
table { width: 100%; margin-top: 24px; border-collapse: collapse; font-size: 14.5px; }
th { padding: 8px 12px 8px 0; border-bottom: 2px solid var(--ink); color: var(--muted); font-size: 13px; font-weight: 600; text-align: left; }
td { padding: 11px 12px 11px 0; border-bottom: 1px solid #edf0ea; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; text-align: right; }
tfoot td { border-bottom: 0; font-weight: 700; }
@media (max-width: 820px) {
  .sheet { margin: 0; padding: 24px 20px; border-radius: 0; box-shadow: none; }
  th:nth-child(3), td:nth-child(3) { display: none; }
}
`;

export interface StatementView {
  readonly username: string;
}

export function statementPage({ username }: StatementView): string {
  const bookings = [...payments, ...olderBookings.slice(0, 12)];
  const total = bookings.reduce((sum, booking) => sum + booking.cents, 0);
  const rows = bookings.map(
    ({ date, name, note, cents }) =>
      `<tr><td class="number">${date}</td><td>${escapeHtml(name)}</td><td class="muted">${escapeHtml(note)}</td><td class="number">${money(cents)}</td></tr>`,
  );
  return page({
    title: "Statement",
    styles,
    body: `<main class="sheet">
${brandLink("/account")}
<h1>Statement</h1>
<p class="lead">${escapeHtml(username)} · NW 0042 1177 2046 81</p>
<table id="statement">
<thead><tr><th scope="col">Date</th><th scope="col">Name</th><th scope="col">Note</th><th scope="col">Amount</th></tr></thead>
<tbody>${rows.join("")}</tbody>
<tfoot><tr><td colspan="2">Change</td><td></td><td class="number">${money(total)}</td></tr></tfoot>
</table>
</main>`,
  });
}
