/** Money and memory for people; money as `format_dollars` of the Python half writes it. */

const NANOS_PER_DOLLAR = 1_000_000_000;
const SECONDS_PER_HOUR = 3600;
const GIB = 2 ** 30;

/** `$0.0123`, `$1,204.50`; more digits below a tenth of a cent. */
export function formatDollars(nanos: number): string {
  const digits =
    nanos >= NANOS_PER_DOLLAR ? 2 : nanos >= 1_000_000 || nanos === 0 ? 4 : 6;
  const dollars = (nanos / NANOS_PER_DOLLAR).toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  });
  return `$${dollars}`;
}

/** The price of an hour, to the cent: `$3.95`. */
export function formatHourlyPrice(nanosPerSecond: number): string {
  const dollars = (nanosPerSecond * SECONDS_PER_HOUR) / NANOS_PER_DOLLAR;
  return `$${dollars.toFixed(2)}`;
}

/** `80 GiB`, `23.5 GiB`. */
export function formatMemory(bytes: number): string {
  const gib = bytes / GIB;
  return `${Number.isInteger(gib) ? String(gib) : gib.toFixed(1)} GiB`;
}
