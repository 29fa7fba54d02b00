// Days and times in the reader's zone and language.

import { locale, t } from './i18n.js';

export const dayOf = (time) => new Date(time).toDateString();

export function dayName(time) {
  const now = new Date(), day = dayOf(time);
  if (day === dayOf(now)) return t('today');
  if (day === dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1))) return t('yesterday');
  const sameYear = new Date(time).getFullYear() === now.getFullYear();
  return new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long', year: sameYear ? undefined : 'numeric' }).format(time);
}

export const clock = (time) => new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(time);

/** Day and time, in full. */
export const moment = (time) => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(time);
