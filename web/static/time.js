// Days and times in the reader's zone and language.

import { locale, t } from './i18n.js';

let now = Date.now;

/** Sets the clock that decides about today: the server's, because the device's may be wrong. */
export function setClock(clock) { now = clock; }

/** The day of a time, as an increasing number. */
export function dayOf(time) {
  const d = new Date(time);
  return d.getFullYear() * 10_000 + d.getMonth() * 100 + d.getDate();
}

export function dayName(time) {
  const today = new Date(now()), day = dayOf(time);
  if (day === dayOf(today)) return t('today');
  if (day === dayOf(new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1))) return t('yesterday');
  const sameYear = new Date(time).getFullYear() === today.getFullYear();
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long', year: sameYear ? undefined : 'numeric' }).format(time);
}

export const clock = (time) => new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(time);

/** Day and time, in full. */
export const moment = (time) => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(time);
