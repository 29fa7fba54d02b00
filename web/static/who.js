// Somebody's name, as it is shown. A guest may take any name, also that of somebody
// with a token; what nobody can take is the mark beside it.

import { el } from './dom.js';
import { t } from './i18n.js';
import { isGuest } from './chat.js';

/** The nodes of a user's name: itself, of a class, and a guest's mark. */
export const who = (user, name, className) => [el('bdi', { class: className }, name), isGuest(user) && el('span', { class: 'guest' }, t('guest'))];

/** The name, where it is only told. */
export const toldName = (user, name) => (isGuest(user) ? t('asGuest', { name }) : name);
