// Finds the user with a name. An id is exact. A name is searched only among the users that the server
// knows here, and never among guests, because a guest may take any name. A match that is not exact is
// shown with its state, and the user must confirm it.

import { el, words } from './dom.js';
import { t } from './i18n.js';
import { ask } from './menu.js';
import { givenName, isGuest } from './chat.js';
import { who } from './who.js';

/** The users that the server knows in the room and the lobby, and the partners of direct rooms: [{user, name, online}]. */
export async function candidates(chat, room, direct) {
  const found = new Map();
  const add = (user, info, online) => {
    if (!user || user === chat.user) return;
    const old = found.get(user);
    found.set(user, { user, name: givenName({ conn_info: info }) || old?.name || '', online: online || old?.online });
  };
  for (const { user, info, online } of direct) add(user, info, online);
  const lists = await Promise.all([...new Set([room, 'lobby'])].map((name) => chat.call('members', { room: name }).catch(() => ({ members: [] }))));
  for (const { members } of lists) for (const m of members) add(m.user, m.info, m.online);
  return [...found.values()];
}

/** The proposals while the user types: [value, label]. The value is always an id. */
export const proposals = (people) => people.map((one) => [one.user, described(one)]);

const stateOf = ({ online }) => (online === undefined ? '' : online ? t('online') : t('away'));
const described = (one) => [one.name || one.user, isGuest(one.user) && t('guest'), stateOf(one)].filter(Boolean).join(' · ');

/** The user among people that typed stands for, or '' if the reader cancels. */
export async function resolve(typed, people) {
  if (people.some((one) => one.user === typed)) return typed;
  const named = people.filter((one) => !isGuest(one.user) && one.name && one.name.normalize() === typed.normalize());
  const unseen = { user: typed, unseen: true };
  return pick(typed, named.length ? named : [unseen]);
}

async function pick(typed, among) {
  const option = (one, i) => el('li', {}, el('label', {},
    el('input', { type: 'radio', name: 'whom', value: one.user, required: true, checked: among.length === 1 && i === 0 }),
    el('span', {}, ...who(one.user, one.name || one.user), el('small', {}, ' ', ...(one.unseen ? [] : [el('bdi', {}, one.user), ' · ', stateOf(one)])))));
  const body = el('div', { class: 'whom' }, el('p', {}, ...words(t(among[0].unseen ? 'notSeenHere' : 'whichOne', { user: typed }))), el('ul', {}, ...among.map(option)));
  const values = await ask(t('confirmUser'), [], { body });
  return values ? body.querySelector('input:checked')?.value ?? '' : '';
}
