// The picture of a user or room without one: a letter on a colour that is always the same.

import { el, icon } from './dom.js';
import { graphemes, isEmoji } from './graphemes.js';

/** key determines the colour; children are shown on it. */
export function picture(key, name, ...children) {
  return el('span', { class: `picture ${picture.hue(key)}`, 'aria-hidden': 'true' }, el('span', { class: 'letter' }, letterOf(name)), ...children.filter(Boolean));
}

/** The class of a key's colour, of which style.css has eight. */
picture.hue = (key) => `hue-${[...key].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) >>> 0, 7) % 8}`;

/** The picture of a room that is not a direct room: # or a lock. */
picture.ofRoom = (kind) => el('span', { class: 'picture square', 'aria-hidden': 'true' }, kind === 'private' ? icon('lock') : '#');

// The first letter, digit or emoji, without invisible characters and combining marks.
function letterOf(name) {
  const all = graphemes(name.slice(0, 200));
  const found = all.find((c) => isEmoji(c) || /[\p{L}\p{N}]/u.test(c)) ?? '?';
  return isEmoji(found) ? found : (found.match(/[\p{L}\p{N}]/u)?.[0] ?? '?').toLocaleUpperCase();
}
