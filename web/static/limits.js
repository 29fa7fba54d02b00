// Checks whether a text is too long for a room, by the limits from room.info.

import { bytesOf, sizeOf } from './chat.js';
import { graphemes } from './graphemes.js';
import { locale, t } from './i18n.js';

const number = (n) => new Intl.NumberFormat(locale()).format(n);

/** The sentence about a text that is too long, or ''. as: {reply, edit}, at most one of these offsets. */
export function excess(text, limits = {}, as = {}) {
  const over = (key, has, most) => (most && has > most ? t(key, { n: number(has), most: number(most) }) : '');
  return over('tooLarge', bytesOf(text), limits.text)
    || over('tooLarge', sizeOf(text, as), limits.message)
    || (text.length > limits.characters ? over('tooLong', graphemes(text).length, limits.characters) : '');
}
