/**
 * Times as devices write them: an RFC 3339 string, or a number of milliseconds since the Unix epoch.
 *
 * Invariant: the result is a finite number of milliseconds; microseconds survive as its fraction, finer digits do not.
 */

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** About the years −10 000 to 10 000: what a Kafka timestamp, a `Date` and a lakehouse column can all hold. */
const timeMsMax = 253_402_300_799_999

/** Milliseconds since the Unix epoch; undefined when `value` is not a time. */
export function parseEventTime(value: unknown): number | undefined {
  if (typeof value === 'number') return Math.abs(value) <= timeMsMax ? value : undefined
  return typeof value === 'string' ? parseRfc3339(value) : undefined
}

function parseRfc3339(text: string): number | undefined {
  const match = rfc3339.exec(text)
  if (match === null) return undefined
  const part = (index: number): number => Number(match[index] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)]
  const [zoneHour, zoneMinute] = [part(9), part(10)]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  // A leap second (:60) is legal RFC 3339; it counts as the first second of the next minute.
  if (hour > 23 || minute > 59 || second > 60 || zoneHour > 23 || zoneMinute > 59) return undefined
  const zoneMs = (zoneHour * 60 + zoneMinute) * 60_000 * (match[8] === '-' ? -1 : 1)
  const fraction = (match[7] ?? '').padEnd(6, '0')
  const micros = Number(fraction.slice(0, 6))
  return utc(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1000 - zoneMs + micros / 1000
}

/** `Date.UTC` reads years below 100 as 19xx. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0)
  return date.setUTCFullYear(year, month - 1, day)
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}
