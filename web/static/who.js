// The view of a user's name. A guest may take any name, even that of a user with a token, but it
// cannot avoid the mark beside its name.

import { el } from './dom.js';
import { t } from './i18n.js';
import { isGuest } from './chat.js';

/** The nodes of a user's name: the name, with a class, and the mark of a guest. */
export const who = (user, name, className) => [el('bdi', { class: className }, name), isGuest(user) && el('span', { class: 'guest' }, t('guest'))];

/** The name as plain text. */
export const toldName = (user, name) => (isGuest(user) ? t('asGuest', { name }) : name);
