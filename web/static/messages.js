// The list of a room's messages: at most as many as the room keeps, for any length of the history.
// Older and newer pages are loaded while the user scrolls, and nothing jumps.

import { $, el, icon, reconcile, say } from './dom.js';
import { errorText, t } from './i18n.js';
import { dayName, dayOf } from './time.js';
import { KEPT } from './chat.js';
import { article } from './message.js';

const NEAR = 400; // pixels from an end at which the next page is loaded
const log = $('log');

export class MessageList {
  #room; #chat; #actions; #nodes = new Map(); #days = new Map(); #busy = false; #active; #stick = true;
  #note = el('p', { class: 'note' }); #line = el('p', { class: 'unseen', role: 'separator' });
  #mark = 0; // the line above new messages follows this offset; 0: no line
  #bottom = 0; // messages after this offset have not been in sight yet
  #opened = false; // whether the room's messages have been shown once

  /** actions: menu(message, button), react(message, emoji, remove), retry(id), rewrite(message), discard(id), seen(offset), nameOf(user), isMe(users). */
  constructor(actions) {
    this.#actions = actions;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    log.addEventListener('keydown', (e) => this.#key(e));
    // Not at keydown: the rest of the key press would go to the newly focused element.
    log.addEventListener('keyup', (e) => { if (e.key === 'Enter' && e.target.matches('.message')) e.target.querySelector('.actions')?.click(); });
    new ResizeObserver(() => { if (this.#stick) this.#toEnd(); }).observe(log);
    $('newest').addEventListener('click', () => { this.toNewest(); $('text').focus(); });
    document.addEventListener('visibilitychange', () => this.#looked());
  }

  /** Shows another room. */
  show(room, chat) {
    this.#room = room;
    this.#chat = chat;
    this.#mark = this.#bottom = 0;
    this.#opened = false;
    this.#stick = true;
    this.forget();
    this.render();
  }

  /** Rebuilds everything, as for another language. */
  forget() {
    this.#nodes.clear();
    this.#days.clear();
    this.#active = undefined;
    this.#line.textContent = t('unseen');
    log.replaceChildren();
  }

  /** Updates the document to the messages of the room. */
  render() {
    const room = this.#room;
    if (!room) return;
    const opened = room.loaded && !this.#opened;
    if (opened) {
      this.#opened = true;
      this.#mark = room.readTo;
    }
    const anchor = this.#stick ? null : this.#anchor();
    const focused = log.contains(document.activeElement);
    reconcile(log, this.#children());
    if (focused && !log.contains(document.activeElement)) log.focus({ preventScroll: true }); // the focused element is gone
    if (this.#stick) this.#toEnd();
    else if (anchor && this.#nodes.has(anchor.offset)) log.scrollTop += this.#nodes.get(anchor.offset).node.getBoundingClientRect().top - anchor.top;
    if (opened) this.#toLine();
    this.#jump();
    this.#seen();
    if (log.clientHeight > 0 && log.scrollHeight <= log.clientHeight) this.#load(); // nobody can scroll to older ones
  }

  // The head, the messages and the outbox, with days and the line of new messages between them.
  #children() {
    const room = this.#room, children = [this.#head()], kept = new Set();
    let day = 0, last, known = !room.more, lined = !this.#mark;
    for (const m of [...room.messages, ...(room.atEnd ? room.outbox : [])].slice(-KEPT)) {
      if (dayOf(m.time) > day) { // a day begins once, even if the server's clock was set back
        day = dayOf(m.time);
        if (!this.#days.has(day)) this.#days.set(day, el('p', { class: 'day' }));
        say(this.#days.get(day), dayName(m.time)); // today is yesterday after midnight
        children.push(this.#days.get(day));
        last = undefined;
      }
      if (!m.state && m.offset <= this.#mark) known = true;
      else if (known && !lined && !this.#mine(m)) {
        children.push(this.#line);
        lined = true;
        last = undefined;
      }
      const key = m.state ? m.id : m.offset;
      kept.add(key);
      children.push(this.#node(key, m, last));
      last = m;
    }
    for (const key of this.#nodes.keys()) if (!kept.has(key)) this.#nodes.delete(key);
    return children;
  }

  // The node of a message: a new one only if it looks different.
  #node(key, m, last) {
    const room = this.#room, mine = this.#mine(m), old = this.#nodes.get(key);
    const how = {
      mine, follows: Boolean(last && this.#sameAuthor(last, m) && m.time - last.time < 5 * 60_000),
      progress: m.state ?? (mine ? room.progress(m.offset) : ''), quoted: m.reply ? room.quoted(m.reply) : undefined,
    };
    if (old?.message === m && Object.entries(how).every(([k, v]) => old.how[k] === v)) return old.node;
    const node = article(m, how, this.#actions);
    if (old && old.node === this.#active) this.#activate(node);
    if (old?.node.contains(document.activeElement)) queueMicrotask(() => node.focus({ preventScroll: true }));
    this.#nodes.set(key, { message: m, how, node });
    return node;
  }

  /** Scrolls to the newest message, and loads it if necessary. */
  async toNewest() {
    if (!this.#room.atEnd) await this.#room.newest().catch(() => {});
    this.#stick = true;
    this.render();
  }

  /** Called when the user writes, and so has seen the messages. */
  clearLine() { this.#mark = 0; }

  get #me() { return this.#chat.user; }

  #head() {
    const room = this.#room;
    const text = room.error && !room.loaded ? t('noEntry', { reason: errorText(room.error) }) : !room.loaded ? t('loading')
      : room.more ? t('older') : room.messages.length + room.outbox.length ? t('beginning') : t('empty');
    say(this.#note, text);
    this.#note.classList.toggle('blank', room.loaded && !room.messages.length && !room.outbox.length);
    return this.#note;
  }

  #mine(m) { return Boolean(m.state || m.info?.user && m.info.user === this.#me); }

  #sameAuthor(a, b) {
    const who = (m) => (m.state ? this.#me : m.info?.user || m.info?.client || '');
    return !a.deleted && who(a) === who(b);
  }

  // The first message in sight, and its position.
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
    const room = this.#room, button = $('newest');
    if (this.#stick && room?.messages.length) this.#bottom = room.messages.at(-1).offset;
    button.hidden = this.#stick || !room?.loaded || room.atEnd && this.#fromEnd() < 200;
    if (button.hidden) return;
    const n = room.messages.filter((m) => m.offset > this.#bottom && !this.#mine(m)).length;
    const text = n ? t('fresh', { n }) : t('newest');
    if (button.textContent !== text) button.replaceChildren(text, icon('down'));
    button.classList.toggle('fresh', n > 0);
  }

  // When the user opens a room, or returns to it, show the new messages first.
  #toLine() {
    if (!this.#line.isConnected || this.#line.getBoundingClientRect().top >= log.getBoundingClientRect().top) return;
    this.#bottom = this.#mark;
    this.#stick = false;
    this.#line.scrollIntoView({ block: 'start' });
  }

  // The page is hidden, or visible again.
  #looked() {
    if (document.hidden) {
      if (this.#stick) this.#mark = this.#room?.messages.at(-1)?.offset ?? 0;
    } else {
      this.#toLine();
      this.#jump();
      this.#seen();
    }
  }

  // Messages up to the end that are in sight, in a visible page, count as read.
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

  // The up and down keys move through the messages; Enter opens the menu of one.
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
