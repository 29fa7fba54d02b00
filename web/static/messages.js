// The list of a room's messages: at most what the room keeps, whatever its
// length; older and newer pages come as one scrolls, and nothing jumps.

import { $, el, reconcile } from './dom.js';
import { linked } from './links.js';
import { t, language } from './i18n.js';
import { clock, dayName, dayOf } from './time.js';
import { nameOf } from './chat.js';

const NEAR = 400; // pixels from an end at which the next page is loaded
const log = $('log');

export class MessageList {
  #room; #chat; #actions; #nodes = new Map(); #days = new Map(); #busy = false; #active; #fresh = 0; #note = el('p', { class: 'note' }); #stick = true;

  /** actions: menu(message, button), react(message, emoji), retry(id), discard(id), seen(offset). */
  constructor(actions) {
    this.#actions = actions;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    log.addEventListener('keydown', (e) => this.#key(e));
    // Not at keydown: the rest of the key would go to what has the focus then.
    log.addEventListener('keyup', (e) => { if (e.key === 'Enter' && e.target.matches('.message')) e.target.querySelector('.actions')?.click(); });
    new ResizeObserver(() => { if (this.#stick) this.#toEnd(); }).observe(log);
    $('newest').addEventListener('click', () => this.toNewest());
    document.addEventListener('visibilitychange', () => this.#seen());
  }

  /** Shows another room. */
  show(room, chat) {
    this.#room = room;
    this.#chat = chat;
    this.forget();
    this.#stick = true;
    this.render();
  }

  /** Makes everything anew, as for another language. */
  forget() {
    this.#nodes.clear();
    this.#days.clear();
    this.#active = undefined;
    this.#fresh = 0;
    log.replaceChildren();
  }

  /** Brings the document to what the room has. */
  render() {
    const room = this.#room;
    if (!room) return;
    const anchor = this.#stick ? null : this.#anchor();
    const before = room.atEnd && room.messages.length ? this.#nodes.get(room.messages.at(-1).offset) : true;
    const children = [this.#head()];
    let day = '', last;
    const kept = new Set();
    for (const m of [...room.messages, ...(room.atEnd ? room.outbox : [])]) {
      const key = m.offset && !m.state ? m.offset : m.id;
      if (dayOf(m.time) !== day) {
        day = dayOf(m.time);
        if (!this.#days.has(day)) this.#days.set(day, el('p', { class: 'day' }, dayName(m.time)));
        children.push(this.#days.get(day));
        last = undefined;
      }
      const follows = last && sameAuthor(last, m, this.#me) && m.time - last.time < 5 * 60_000 && !m.reply;
      const quoted = m.reply ? room.quoted(m.reply) : undefined;
      const progress = m.state ?? (this.#mine(m) ? room.progress(m.offset) : '');
      let old = this.#nodes.get(key);
      if (!old || old.message !== m || old.quoted !== quoted || old.follows !== follows || old.progress !== progress || old.state !== m.state) {
        const node = this.#item(m, follows, progress, quoted);
        if (old && old.node === this.#active) this.#activate(node);
        if (old?.node.contains(document.activeElement)) queueMicrotask(() => node.focus());
        old = { message: m, node, quoted, follows, progress, state: m.state };
        this.#nodes.set(key, old);
      }
      kept.add(key);
      children.push(old.node);
      last = m;
    }
    for (const key of this.#nodes.keys()) if (!kept.has(key)) this.#nodes.delete(key);
    reconcile(log, children);
    if (!before && !this.#stick) this.#fresh++;
    if (this.#stick) this.#toEnd();
    else if (anchor && this.#nodes.has(anchor.offset)) log.scrollTop += this.#nodes.get(anchor.offset).node.getBoundingClientRect().top - anchor.top;
    this.#jump();
    this.#seen();
  }

  /** Goes to the newest message, be it loaded or not. */
  async toNewest() {
    if (!this.#room.atEnd) await this.#room.newest().catch(() => {});
    this.#stick = true;
    this.#fresh = 0;
    this.render();
  }

  get #me() { return this.#chat.user; }

  #head() {
    const room = this.#room;
    const text = room.error && !room.loaded ? t('noEntry', { reason: room.error.message }) : !room.loaded ? t('loading')
      : room.more ? t('older') : room.messages.length + room.outbox.length ? t('beginning') : t('empty');
    if (this.#note.textContent !== text) this.#note.textContent = text;
    return this.#note;
  }

  #mine(m) { return !m.info || m.info.user !== '' && m.info.user === this.#me; }

  #item(m, follows, progress, quoted) {
    const mine = m.state ? true : this.#mine(m) && Boolean(m.info);
    const name = m.state ? '' : nameOf(m.info) || t('anonymous');
    const text = m.state ? m.text : m.deleted ? t('deleted') : textOf(m.data);
    const node = el('article', { class: ['message', mine && 'mine', follows && 'follows', m.deleted && 'gone', m.state].filter(Boolean).join(' '), tabindex: '-1', 'data-offset': m.offset, 'aria-label': m.state ? t('yourMessage') : name || t('anonymous') });
    const head = el('p', { class: 'head' });
    if (!follows && !mine) head.append(el('bdi', { class: 'author' }, name), ' ');
    head.append(el('time', { datetime: new Date(m.time).toISOString() }, clock(m.time)));
    if (m.edited) head.append(' ', el('span', { class: 'edited' }, t('edited')));
    node.append(head);
    if (m.reply) node.append(quote(quoted));
    node.append(el('p', { class: 'body', dir: 'auto' }, ...(m.deleted ? [text] : linked(text))));
    if (m.reactions?.length) node.append(el('div', { class: 'reactions' }, ...m.reactions.map((r) => this.#chip(m, r))));
    if (m.state === 'failed') node.append(el('p', { class: 'fault' }, t('failed', { why: m.error?.message ?? '' }), ' ',
      el('button', { type: 'button', onclick: () => this.#actions.retry(m.id) }, t('again')), ' ',
      el('button', { type: 'button', onclick: () => this.#actions.discard(m.id) }, t('discard'))));
    else if (mine && !m.deleted) node.append(el('span', { class: `progress ${progress}` }, t(progress || 'sent')));
    if (!m.state && !m.deleted) node.append(el('button', { type: 'button', class: 'icon actions', tabindex: '-1', 'aria-haspopup': 'menu', 'aria-label': t('more', { name: name || t('nobody') }), onclick: (e) => this.#actions.menu(m, e.currentTarget) }, '⋯'));
    return node;
  }

  #chip(m, r) {
    const mine = r.users.includes(this.#me) && this.#me !== '';
    return el('button', { type: 'button', class: 'chip', 'aria-pressed': String(mine), 'aria-label': t('reactedBy', { emoji: r.emoji, names: String(r.count) }), onclick: () => this.#actions.react(m, r.emoji, mine) }, `${r.emoji} ${r.count}`);
  }

  // The first message in sight, and where it is.
  #anchor() {
    const top = log.getBoundingClientRect().top;
    for (const node of log.children) {
      const at = node.getBoundingClientRect();
      if (at.bottom > top && node.dataset.offset) return { offset: +node.dataset.offset, top: at.top };
    }
  }

  #toEnd() { log.scrollTop = log.scrollHeight; }
  #fromEnd() { return log.scrollHeight - log.scrollTop - log.clientHeight; }

  #scrolled() {
    this.#stick = this.#room?.atEnd && this.#fromEnd() < 40;
    if (this.#stick) this.#fresh = 0;
    this.#jump();
    this.#seen();
    this.#load();
  }

  async #load() {
    const room = this.#room;
    if (this.#busy || !room?.loaded) return;
    const way = log.scrollTop < NEAR && room.more ? 'older' : this.#fromEnd() < NEAR && !room.atEnd ? 'newer' : '';
    if (!way) return;
    this.#busy = true;
    try {
      await room[way]();
    } catch {
      await new Promise((done) => setTimeout(done, 2000)); // offline: the reader scrolls on, or not
    }
    this.#busy = false;
    if (room === this.#room) this.#load();
  }

  #jump() {
    const button = $('newest');
    button.hidden = this.#stick || !this.#room?.loaded || this.#room.atEnd && this.#fromEnd() < 200;
    button.textContent = t('newest', { n: this.#fresh });
  }

  // What is at the end, in sight, in a page that is looked at, is read.
  #seen() {
    const room = this.#room;
    if (!room?.loaded || document.hidden || !room.atEnd || !this.#stick) return;
    const last = room.messages.at(-1);
    if (last) this.#actions.seen(last.offset);
  }

  #activate(node) {
    this.#active?.querySelector('.actions')?.setAttribute('tabindex', '-1');
    this.#active = node;
    node?.querySelector('.actions')?.setAttribute('tabindex', '0');
  }

  // Up and down go through the messages, Enter opens the actions of one.
  #key(e) {
    const all = [...log.querySelectorAll('.message')];
    const at = all.indexOf(e.target.closest('.message'));
    let to;
    if (e.key === 'ArrowUp') to = all[at < 0 ? all.length - 1 : Math.max(0, at - 1)];
    else if (e.key === 'ArrowDown') to = all[Math.min(all.length - 1, at + 1)];
    else if (e.key === 'Home') to = all[0];
    else if (e.key === 'End') to = all.at(-1);
    if (!to) return;
    e.preventDefault();
    this.#activate(to);
    to.focus();
    to.scrollIntoView({ block: 'nearest' });
  }
}

const quote = (of) => el('blockquote', { class: 'quote' }, el('bdi', {}, of ? `${nameOf(of.info) || t('anonymous')}: ${of.deleted ? t('deleted') : short(textOf(of.data))}` : t('gone')));

/** A message's text; what has none is shown as JSON. */
export function textOf(data) {
  return typeof data?.text === 'string' ? data.text : JSON.stringify(data) ?? '';
}

/** The beginning of a text, in one line. */
export function short(text, most = 80) {
  const line = text.replace(/\s+/g, ' ').trim();
  const all = [...new Intl.Segmenter(language(), { granularity: 'grapheme' }).segment(line.slice(0, most * 8))];
  return all.length > most ? all.slice(0, most).map((s) => s.segment).join('') + '…' : line;
}

function sameAuthor(a, b, me) {
  const who = (m) => (m.state ? me : m.info?.user || m.info?.client || '');
  return !a.deleted && who(a) === who(b);
}
