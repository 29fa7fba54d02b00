// Texts with their links: http and https, and nothing else, are links.

import { el } from './dom.js';

const address = /\bhttps?:\/\/[^\s<>"'`\p{C}]+/giu;
const tail = /[.,:;!?)\]}»”’。，：；！？）】》]+$/u; // what ends the sentence, not the address

/** The nodes of a text. */
export function linked(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    const found = match[0].replace(tail, '');
    let url;
    try { url = new URL(found); } catch { continue; }
    if (url.protocol !== 'http:' && url.protocol !== 'https:' || url.username || url.password) continue;
    nodes.push(text.slice(at, match.index), el('a', { href: url.href, rel: 'noopener noreferrer nofollow', target: '_blank' }, found));
    at = match.index + found.length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((n) => n !== '');
}
