// Texts with their links. Only http and https addresses become links.

import { el } from './dom.js';

// Not part of an address: spaces, quotes, invisible characters, and Chinese punctuation, after
// which a sentence continues without a space.
const address = /\bhttps?:\/\/[^\s<>"'`\p{C}“”‘’«»。，：；！？、…（）【】《》「」『』]+/giu;

const MOST = 200; // nodes: a megabyte of addresses would freeze the page

/** The nodes of a text. */
export function linked(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    if (nodes.length > MOST) break;
    const found = trimmed(match[0]);
    let url;
    try { url = new URL(found); } catch { continue; }
    if (url.protocol !== 'http:' && url.protocol !== 'https:' || url.username || url.password) continue;
    nodes.push(text.slice(at, match.index), el('a', { href: url.href, rel: 'noopener noreferrer nofollow', target: '_blank' }, found));
    at = match.index + found.length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((n) => n !== '');
}

// Removes the punctuation that ends the sentence. A bracket counts as such if it was opened before
// the address: the brackets in https://en.wikipedia.org/wiki/Chat_(disambiguation) are its own.
function trimmed(found) {
  const pairs = { ')': '(', ']': '[', '}': '{' }, open = {};
  for (const c of found) open[c] = (open[c] ?? 0) + 1;
  let end = found.length;
  for (; end > 0; end--) {
    const c = found[end - 1];
    if (pairs[c] && open[c] > (open[pairs[c]] ?? 0)) open[c]--;
    else if (!'.,:;!?'.includes(c)) break;
  }
  return found.slice(0, end);
}
