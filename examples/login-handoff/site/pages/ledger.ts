/** The invented bookings that the account and the statement show, newest first. */
export interface Booking {
  readonly date: string;
  readonly name: string;
  readonly note: string;
  /** Cents; negative for money that left the account. */
  readonly cents: number;
}

export const payments: readonly Booking[] = [
  { date: "14 Jun", name: "Lumen Cinema", note: "Two tickets", cents: -2600 },
  { date: "13 Jun", name: "Meridian Works", note: "Salary June", cents: 412_500 },
  { date: "12 Jun", name: "Blue Door Bakery", note: "Card payment", cents: -1840 },
  { date: "11 Jun", name: "Tidewater Energy", note: "Direct debit", cents: -8615 },
  { date: "10 Jun", name: "Ferry & Rail", note: "Return ticket", cents: -5420 },
  { date: "08 Jun", name: "Olive Grove Market", note: "Card payment", cents: -6378 },
];

const places = [
  "Tidewater Energy",
  "Olive Grove Market",
  "Blue Door Bakery",
  "Ferry & Rail",
  "Kestrel Books",
];
const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A hundred and twenty older bookings, the same at every start. */
export const olderBookings: readonly Booking[] = Array.from({ length: 120 }, (_, index) => {
  const day = new Date(Date.UTC(2026, 5, 7 - Math.floor(index * 1.4)));
  return {
    date: `${String(day.getUTCDate()).padStart(2, "0")} ${monthNames[day.getUTCMonth()] ?? ""}`,
    name: places[(index * 7) % places.length] ?? "Northwind",
    note: index % 3 === 0 ? "Direct debit" : "Card payment",
    cents: -(480 + ((index * 7919) % 9300)),
  };
});

/** For example `−€1,240.00`, with a true minus sign. */
export function money(cents: number): string {
  const amount = (Math.abs(cents) / 100).toLocaleString("en-IE", { style: "currency", currency: "EUR" });
  return `${cents < 0 ? "−" : ""}${amount}`;
}
