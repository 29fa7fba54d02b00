// The view of one message.

import { el, icon, words } from './dom.js';
import { graphemes, isEmoji } from './graphemes.js';
import { errorText, t } from './i18n.js';
import { linked } from './links.js';
import { nameOf } from './chat.js';
import { picture } from './picture.js';
import { clock, moment } from './time.js';
import { toldName, who } from './who.js';

/**
 * The node of a message. m: as a Room has it, or as its outbox has it, which has a
 * state. how: {mine, follows (one of the same author), progress, quoted}. actions: as
 * of MessageList.
 */
export function article(m, how, actions) {
  const { mine, follows, progress, quoted } = how;
  const user = m.info?.user || m.info?.client || '';
  const name = m.state ? '' : nameOf(m.info) || t('anonymous');
  const told = toldName(user, name);
  const text = m.state ? m.text : m.deleted ? t('deleted') : textOf(m.data);
  const body = el('p', { class: `body ${!m.deleted && isLarge(text) ? 'large' : ''}`, dir: 'auto' }, ...(m.deleted ? [text] : linked(text)));
  return el('article', {
    class: ['message', mine && 'mine', follows && 'follows', m.deleted && 'gone', m.state].filter(Boolean).join(' '),
    tabindex: '-1', 'data-offset': m.offset, 'aria-label': mine ? t('yourMessage') : told,
  },
  !follows && !mine && picture(user, name),
  !follows && !mine && el('p', { class: 'head named' }, ...who(user, name, `author ${picture.hue(user)}`)),
  m.reply && quote(quoted),
  el('div', { class: 'said' }, body, meta(m, mine && !m.deleted && m.state !== 'failed' && (progress || 'sent'))),
  m.reactions?.length && el('div', { class: 'reactions' }, ...m.reactions.map((r) => chip(m, r, actions))),
  m.state === 'failed' && fault(m, actions),
  !m.state && !m.deleted && el('button', {
    type: 'button', class: 'icon actions', tabindex: '-1', 'aria-haspopup': 'menu', 'aria-label': t('more', { name: told }),
    onclick: (e) => actions.menu(m, e.currentTarget),
  }, icon('more')));
}

const meta = (m, progress) => el('p', { class: 'meta' },
  m.edited && el('span', { class: 'edited' }, t('edited')),
  el('time', { datetime: new Date(m.time).toISOString(), title: moment(m.time) }, clock(m.time)),
  progress && el('span', { class: `progress ${progress}` }, t(progress)));

const fault = (m, actions) => el('div', { class: 'fault' },
  el('span', {}, ...words(t('failed', { why: m.error ? errorText(m.error) : '' }))),
  el('button', { type: 'button', onclick: () => actions.retry(m.id) }, t('again')),
  el('button', { type: 'button', onclick: () => actions.rewrite(m) }, t('edit')),
  el('button', { type: 'button', onclick: () => actions.discard(m.id) }, t('discard')));

const quote = (of) => el('blockquote', { class: 'quote' }, ...(of ? [el('bdi', {}, nameOf(of.info) || t('anonymous')), ': ', el('bdi', {}, of.deleted ? t('deleted') : short(textOf(of.data)))] : [t('gone')]));

function chip(m, r, actions) {
  const mine = actions.isMe(r.users);
  const others = r.count - r.users.length; // users that the server only counts
  const label = t('reactedBy', { emoji: r.emoji, n: r.count, names: [...r.users.map(actions.nameOf), ...(others ? [`+${others}`] : [])].join(', ') });
  return el('button', { type: 'button', class: 'chip', 'aria-pressed': String(mine), 'aria-label': label, title: label, onclick: () => actions.react(m, r.emoji, mine) }, `${r.emoji} ${r.count}`);
}

// A few emojis and nothing else.
function isLarge(text) {
  if (text.length > 100) return false;
  const all = graphemes(text.replace(/\s/g, ''));
  return all.length > 0 && all.length <= 3 && all.every(isEmoji);
}

/** A message's text; a message without a text is shown as JSON. */
export function textOf(data) {
  return typeof data?.text === 'string' && data.text ? data.text : JSON.stringify(data) ?? '';
}

/** The beginning of a text, in one line. */
export function short(text, most = 80) {
  const line = text.slice(0, most * 16).replace(/\s+/g, ' ').trim();
  const all = graphemes(line.slice(0, most * 8));
  return all.length > most ? all.slice(0, most).join('') + '…' : line;
}
