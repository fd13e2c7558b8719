export const accountStyles = `
.bar { display: flex; align-items: center; gap: 14px 28px; padding: 14px 32px; background: var(--card); border-bottom: 1px solid var(--line); }
.bar .brand { color: var(--brand); }
.bar nav { display: flex; gap: 4px; margin-right: auto; font-size: 14.5px; }
.bar nav a { padding: 7px 14px; border-radius: 99px; color: var(--muted); font-weight: 600; text-decoration: none; }
.bar nav a:hover { color: var(--ink); }
.bar nav a[aria-current] { background: #e9eee7; color: var(--ink); }
.who { display: flex; align-items: center; gap: 10px; min-width: 0; font-size: 14.5px; }
.who b { overflow: hidden; max-width: 14em; font-weight: 600; text-overflow: ellipsis; white-space: nowrap; }
.who i { display: grid; flex: none; place-items: center; width: 34px; height: 34px; border-radius: 50%; background: var(--lime); font-style: normal; font-weight: 700; }
.sign-out { color: var(--muted); font-size: 14.5px; white-space: nowrap; }

.grid { display: grid; grid-template-columns: minmax(0, 1.62fr) minmax(0, 1fr); gap: 20px; max-width: 1240px; margin: 0 auto; padding: 22px 32px 40px; }
.card { min-width: 0; padding: 22px 24px; border-radius: var(--radius); background: var(--card); box-shadow: var(--shadow); }
.balance { display: flex; flex-direction: column; min-height: 320px; padding-bottom: 12px; background: radial-gradient(110% 120% at 0% 0%, #14605a 0%, var(--brand) 52%, #072827 100%); color: #f3f7ee; }
.balance-top { display: flex; flex-wrap: wrap; gap: 8px; justify-content: space-between; align-items: flex-start; }
.balance-top p { color: #b5cfc4; font-size: 14.5px; }
.balance-top h1 { margin-top: 4px; font-size: 40px; }
.balance-top .live { display: flex; white-space: nowrap; align-items: center; gap: 8px; padding: 4px 12px; border-radius: 99px; background: rgb(255 255 255 / 10%); color: #f3f7ee; font-size: 13px; font-weight: 600; }
.live i { width: 8px; height: 8px; border-radius: 50%; background: var(--lime); animation: blink 1.4s ease-in-out infinite; }
@keyframes blink { 50% { opacity: .25; } }
.chart { position: relative; flex: 1; margin-top: 10px; }
#live-chart { position: absolute; inset: 0; width: 100%; height: 100%; }

.transfer { display: flex; flex-direction: column; align-items: flex-start; }
.badge { margin-bottom: 10px; padding: 3px 11px; border-radius: 99px; background: #fff1c4; color: #6b4e00; font-size: 13px; font-weight: 650; }
.amount { margin-top: 4px; font-size: 30px; font-weight: 700; letter-spacing: -0.025em; }
.transfer .field { width: 100%; margin-top: 12px; }
.transfer .button { margin-top: 14px; }
#transfer-status { min-height: 1.5em; margin-top: 10px; overflow-wrap: anywhere; color: var(--muted); font-size: 14.5px; font-weight: 600; }
#transfer-status[data-state="approved"] { color: var(--brand-bright); }
#transfer-status:empty { min-height: 0; margin-top: 0; }

.payments { margin-top: 8px; }
.payments li { display: flex; align-items: center; gap: 14px; padding: 10px 0; }
.payments li + li { border-top: 1px solid #edf0ea; }
.payments i { display: grid; flex: none; place-items: center; width: 40px; height: 40px; border-radius: 12px; font-style: normal; font-weight: 700; }
.payments div { min-width: 0; margin-right: auto; }
.payments div b, .payments div span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.payments b { font-weight: 600; }
.payments span { color: var(--muted); font-size: 13.5px; }
.incoming { color: var(--brand-bright); }

.activity { overflow-y: auto; height: 292px; margin: 12px -10px 0; padding: 0 10px; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: #b9c5bd transparent; }
.activity li { display: grid; grid-template-columns: 3.6em minmax(0, 1fr) auto; gap: 2px 12px; padding: 8px 0; border-top: 1px solid #edf0ea; font-size: 14px; }
.activity li:first-child { border-top: 0; }
.activity li > :nth-child(1) { color: var(--muted); }
.activity li > :nth-child(3) { display: none; }
details { margin-top: 14px; border-top: 1px solid var(--line); padding-top: 14px; font-size: 14.5px; }
summary { font-weight: 600; cursor: pointer; }
dl > div { display: flex; justify-content: space-between; gap: 16px; margin-top: 8px; }
dt { color: var(--muted); }
dd { min-width: 0; overflow-wrap: anywhere; }

@media (max-width: 820px) {
  .bar { flex-wrap: wrap; gap: 10px 16px; padding: 14px 20px; }
  .bar nav { order: 4; width: 100%; margin: 0 0 0 -6px; }
  .who { margin-left: auto; }
  .who b { max-width: 7em; }
  .grid { grid-template-columns: minmax(0, 1fr); gap: 16px; padding: 16px 16px 32px; }
  .card { padding: 20px; }
  .balance { min-height: 290px; padding-bottom: 10px; }
  .balance-top h1 { font-size: 34px; }
}
`;
