// Announces new messages to screen readers, each once and in order.

import { $, el, words } from './dom.js';

const KEPT = 20; // lines in the region

/** Announces texts. */
export function announce(texts) {
  const news = $('news');
  news.append(...texts.slice(-KEPT).map((text) => el('p', {}, ...words(text))));
  while (news.childElementCount > KEPT) news.firstElementChild.remove();
}
