// Numbers as people read them, with their units.

import { language } from './lang.js';

const made = new Map();

// formatter caches one Intl.NumberFormat per language and options.
function formatter(options) {
  const name = language() + JSON.stringify(options);
  if (!made.has(name)) made.set(name, new Intl.NumberFormat(language(), options));
  return made.get(name);
}

// count formats a whole number, in full below a hundred thousand.
export const count = (n) => n < 1e5
  ? formatter({ maximumFractionDigits: 0 }).format(n)
  : formatter({ notation: 'compact', maximumSignificantDigits: 4 }).format(n);

// rate formats a number per second.
export const rate = (n) => n < 100
  ? formatter({ maximumFractionDigits: 1 }).format(n)
  : count(n);

// share formats a part of a small number.
export const share = (n) => formatter({ maximumFractionDigits: 2 }).format(n);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

// bytes formats a size with three digits; null means no value.
export function bytes(n) {
  if (n == null) return '–';
  let unit = 0;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit++;
  }
  return formatter({ maximumSignificantDigits: 3 }).format(n) + ' ' + UNITS[unit];
}

// millis formats a duration in milliseconds; null means no value.
export function millis(ms) {
  if (ms == null) return '–';
  const digits = formatter({ maximumSignificantDigits: 3 });
  if (ms === 0) return '0';
  if (ms < 1) return digits.format(ms * 1000) + ' µs';
  if (ms < 1000) return digits.format(ms) + ' ms';
  return digits.format(ms / 1000) + ' s';
}

// ago formats the time from one moment to another; both are in unix milliseconds.
export function ago(at, now) {
  const format = new Intl.RelativeTimeFormat(language(), { numeric: 'always', style: 'narrow' });
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return format.format(-seconds, 'second');
}

// clock formats a time of today, the same on scales and in texts.
const clocks = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
export const clock = (at) => clocks.format(at);

// moment formats a time of any day, with the date if it is not today.
export function moment(at, now) {
  const day = new Intl.DateTimeFormat(language(), { dateStyle: 'medium' });
  return day.format(at) === day.format(now) ? clock(at) : day.format(at) + ' ' + clock(at);
}
