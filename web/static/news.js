// What a screen reader is told of new messages: each of them once, in their order.

import { $, el, words } from './dom.js';

const KEPT = 20; // lines in the region

/** Announces texts. */
export function announce(texts) {
  const news = $('news');
  news.append(...texts.slice(-KEPT).map((text) => el('p', {}, ...words(text))));
  while (news.childElementCount > KEPT) news.firstElementChild.remove();
}
