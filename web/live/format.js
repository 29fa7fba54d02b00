// Numbers as people read them, with their units.

import { language } from './lang.js';

const made = new Map();

// formatter makes each Intl.NumberFormat once a language.
function formatter(options) {
  const name = language() + JSON.stringify(options);
  if (!made.has(name)) made.set(name, new Intl.NumberFormat(language(), options));
  return made.get(name);
}

// count is a whole number: in full below a hundred thousand.
export const count = (n) => n < 1e5
  ? formatter({ maximumFractionDigits: 0 }).format(n)
  : formatter({ notation: 'compact', maximumSignificantDigits: 4 }).format(n);

// rate is a number a second.
export const rate = (n) => n < 100
  ? formatter({ maximumFractionDigits: 1 }).format(n)
  : count(n);

// share is a part of few.
export const share = (n) => formatter({ maximumFractionDigits: 2 }).format(n);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

// bytes keeps three digits; null is none.
export function bytes(n) {
  if (n == null) return '–';
  let unit = 0;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit++;
  }
  return formatter({ maximumSignificantDigits: 3 }).format(n) + ' ' + UNITS[unit];
}

// millis is a duration that came in milliseconds; null is none.
export function millis(ms) {
  if (ms == null) return '–';
  const digits = formatter({ maximumSignificantDigits: 3 });
  if (ms === 0) return '0';
  if (ms < 1) return digits.format(ms * 1000) + ' µs';
  if (ms < 1000) return digits.format(ms) + ' ms';
  return digits.format(ms / 1000) + ' s';
}

// ago is a moment, as seen from another; both in unix milliseconds.
export function ago(at, now) {
  const format = new Intl.RelativeTimeFormat(language(), { numeric: 'always', style: 'narrow' });
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return format.format(-seconds, 'second');
}

// clock is a moment of today, the same on scales and in words.
const clocks = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
export const clock = (at) => clocks.format(at);

// moment is one of any day, which is named if it is not that of now.
export function moment(at, now) {
  const day = new Intl.DateTimeFormat(language(), { dateStyle: 'medium' });
  return day.format(at) === day.format(now) ? clock(at) : day.format(at) + ' ' + clock(at);
}
