// A room: its messages, kept up to date, and the actions in it.

import { asError } from './errors.js';
import { Fold } from './fold.js';
import { nameOf } from './names.js';
import { wellFormed } from './size.js';

/** The number of messages that a Room keeps, and the number in one page. */
export const KEPT = 200, PAGE = 50;

// Milliseconds before a load that has failed is made again; the pause doubles with each failure.
const FIRST_PAUSE = 1000, LONGEST_PAUSE = 30_000;

/**
 * A room that is open.
 *
 * Events: 'change' when messages, outbox, typing or marks have; 'gap' when
 * messages were missed and the room was loaded anew; 'members'; 'settings'; 'left'
 * with detail {code, reason} when the user is not, or no longer, in the room: enter()
 * tries again.
 */
export class Room extends EventTarget {
  /** the messages that are kept, oldest first; at most KEPT, and always in one piece */
  messages = [];
  /** whether older ones than messages[0] exist, and whether the newest are kept */
  more = false;
  atEnd = true;
  /** the users who are typing: user → name */
  typing = new Map();
  /** marks of the other users: user → {read, delivered} */
  marks = new Map();
  loaded = false;
  /** why the user is not in the room, or its messages could not be loaded; if it is temporary, that is tried again */
  error = null;
  /** the offset of the last read message when the room was opened; 0: none, or unknown */
  readTo = 0;
  #chat; #client; #sub; #forget; #outbox; #fold = new Fold(); #quoted = new Fold(); #asked = new Set(); #typed = -Infinity; #timers = new Map(); #read = 0; #closed = false;
  // Where the next older and the next newer page begin; 0: at the first or the last kept message. A page may be empty
  // although there are more: then the next one begins elsewhere.
  #before = 0; #after = 0;
  // Whether the kept messages must be loaded anew, because they do not go on with the publications that arrive; and whether that
  // is because of a gap, which is told when they are loaded.
  #stale = true; #gap = false;
  #unmarked = true; // whether marks may have been missed
  #top = 0; // the offset up to which the last page of newest() has everything
  #untimed = 0; // the messages after this offset have the time of their arrival, not yet the server's; 0: none
  #loads = new Set(); // the pages that are being loaded: of each, the publications that have arrived since its request
  #retry = 0; // the timer of the next try

  constructor(chat, client, name, outbox, forget) {
    super();
    this.name = name;
    this.#chat = chat;
    this.#client = client;
    this.#outbox = outbox;
    this.#forget = forget;
    outbox.waits = (m) => this.atEnd && !this.#fold.has(m.offset);
    outbox.addEventListener('change', this.#sent);
    this.#sub = client.newSubscription(name, { joinLeave: true, recoverable: true });
    this.#sub
      .on('publication', (p) => this.#publication(p))
      .on('join', () => this.#tell('members'))
      .on('leave', () => this.#tell('members'))
      .on('error', (e) => { this.error = asError(e.error); this.#tell('change'); })
      .on('unsubscribed', (c) => { if (!this.#closed && c.code !== 0) { this.error = asError(c); this.#tell('left', { code: c.code, reason: c.reason }); } })
      .on('subscribed', (c) => this.#subscribed(c));
    this.#sub.subscribe();
  }

  /** Leaves the room on this connection; it stays in the list. */
  close() {
    this.#closed = true;
    this.#outbox.removeEventListener('change', this.#sent);
    this.#outbox.waits = () => false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    clearTimeout(this.#retry);
    this.#sub.unsubscribe();
    this.#client.removeSubscription(this.#sub);
    this.#forget();
  }

  /** Joins again, after 'left'. */
  enter() {
    this.error = null;
    this.#sub.subscribe();
  }

  call(method, data = {}) { return this.#chat.call(method, { room: this.name, ...data }); }
  info() { return this.call('room.info'); }
  members() { return this.call('members'); }
  set(settings) { return this.call('room.set', settings); }
  edit(offset, text) { return this.call('edit', { offset, data: { text: wellFormed(text) } }); }
  remove(offset) { return this.call('delete', { offset }); }
  react(offset, emoji, remove = false) { return this.call('react', { offset, emoji, remove }); }

  /** The user's messages that are being sent: {id, text, reply, time, state: 'sending'|'sent'|'failed', error}. */
  get outbox() { return this.#outbox.all; }

  /** Sends a message: it is in outbox until the room has it, even if the room is closed meanwhile. Never rejects. */
  send(text, reply) {
    this.#typed = -Infinity; // the next typing starts a new notice
    this.#outbox.add(text, reply);
  }
  retry(id) { this.#outbox.retry(id); }
  discard(id) { this.#outbox.discard(id); }
  #sent = () => this.#tell('change');

  /** Sends a typing notice, at most every three seconds. */
  type() {
    const now = performance.now(); // a monotonic clock
    if (now - this.#typed < 3000 || this.#chat.state !== 'connected') return;
    this.#typed = now;
    this.call('typing').catch(() => {});
  }

  /** Marks all messages up to an offset as read. */
  read(offset) {
    if (offset <= this.#read || !this.#chat.user) return;
    this.#read = offset;
    this.call('mark', { read: offset }).catch(() => { this.#read = 0; });
  }

  /** 'sent' | 'delivered' | 'read': the state of one of the user's own messages. */
  progress(offset) {
    let best = 'sent';
    for (const [user, m] of this.marks) {
      if (user === this.#chat.user) continue;
      if (m.read >= offset) return 'read';
      if (m.delivered >= offset) best = 'delivered';
    }
    return best;
  }

  /** Loads the page before the kept messages; resolves to whether there was one. It may be empty. */
  async older() {
    const before = this.#before || this.messages[0]?.offset;
    if (!this.more || !before) return false;
    if (this.#stale) return this.newest().then(() => true);
    return this.#load(this.#fold, { before, limit: PAGE }, (page) => {
      this.#fold.before(page.messages);
      this.more = page.more;
      this.#before = page.next ?? 0;
      if (this.#fold.size > KEPT) {
        this.#fold.keepFirst(KEPT);
        this.atEnd = false;
        this.#after = 0;
      }
      this.#show();
    });
  }

  /** Loads the page after the kept messages, unless they reach the end. It may be empty. */
  async newer() {
    const after = this.#after || this.messages.at(-1)?.offset;
    if (this.atEnd || !after) return false;
    if (this.#stale) return this.newest().then(() => true);
    return this.#load(this.#fold, { after, limit: PAGE }, (page) => {
      this.#fold.after(page.messages);
      this.atEnd = !page.more;
      this.#after = page.next ?? 0;
      this.#trim();
      this.#show();
    });
  }

  // Drops the oldest messages, if too many are kept.
  #trim() {
    if (this.#fold.size <= KEPT) return;
    this.#fold.keepLast(KEPT);
    this.more = true;
    this.#before = 0;
  }

  /** Replaces the kept messages with the newest ones. */
  async newest() {
    const used = await this.#load(this.#fold, { limit: PAGE }, (page) => {
      this.#fold = new Fold(page.messages);
      this.more = page.more;
      this.#before = page.next ?? 0;
      this.#after = this.#untimed = 0;
      this.#top = page.offset;
      if (!this.loaded) this.readTo = this.marks.get(this.#chat.user)?.read ?? 0;
      this.atEnd = this.loaded = true;
      this.#stale = false;
      this.error = null;
      this.#outbox.settle();
      this.#show();
    }, this.#loadMarks().catch(() => {}));
    if (!used && this.#stale) return this.newest();
    if (this.#gap && !this.#stale) {
      this.#gap = false;
      this.#tell('gap');
    }
  }

  // Loads the marks. A publication that has come meanwhile may be newer than a loaded one, and marks only grow.
  async #loadMarks() {
    try {
      const { marks } = await this.call('marks');
      for (const { user, read, delivered } of marks) {
        const known = this.marks.get(user);
        this.marks.set(user, { read: Math.max(read, known?.read ?? 0), delivered: Math.max(delivered, known?.delivered ?? 0) });
      }
      this.#unmarked = false;
    } catch (e) {
      this.#unmarked = e.temporary;
      throw e;
    }
  }

  // Loads a page for a fold and waits for the promise also; then it calls use(page), unless the fold is no longer in use. It resolves
  // to whether it did. The page may be older than the publications that have arrived since its request, so it gets these, too.
  async #load(fold, request, use, also) {
    const arrived = [];
    this.#loads.add(arrived);
    try {
      const [page] = await Promise.all([this.call('messages', request), also]);
      if (fold !== this.#fold && fold !== this.#quoted) return false;
      const toEnd = !request.before && !request.offsets && !(request.after && page.more);
      const piece = new Fold(page.messages);
      for (const p of arrived) if (p.offset > page.offset && (p.tags.event || toEnd)) piece.apply(p);
      use({ ...page, messages: piece.list() });
      return true;
    } finally {
      this.#loads.delete(arrived);
    }
  }

  #subscribed(c) {
    this.error = null;
    this.#unmarked = true; // marks are not recovered
    if (c.wasRecovering && !c.recovered) this.#lose();
    else if (c.hasRecoveredPublications && this.atEnd && this.messages.length) this.#untimed ||= this.messages.at(-1).offset;
    this.#mend();
    this.#tell('members');
  }

  // Forgets all that has offsets: after a gap they may begin anew, with other messages. What is shown stays until a page is loaded.
  #lose() {
    this.#fold = new Fold();
    this.#quoted = new Fold();
    this.#asked.clear();
    this.marks.clear();
    this.#read = this.#untimed = this.#top = 0;
    this.#stale = true;
    this.#gap = this.loaded;
  }

  // Loads what is missing, and tries again if that fails while the room is subscribed. Otherwise the next 'subscribed' does it.
  async #mend(pause = FIRST_PAUSE) {
    clearTimeout(this.#retry);
    if (this.#sub.state !== 'subscribed') return;
    try {
      if (this.#stale) await this.newest();
      if (this.#untimed) await this.#loadTimes();
      if (this.#unmarked) await this.#loadMarks().then(() => this.#tell('change'));
    } catch (e) {
      if (this.#stale) {
        this.error = e;
        this.#tell('change');
      }
      if (!e.temporary || this.#sub.state !== 'subscribed') return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#mend(Math.min(2 * pause, LONGEST_PAUSE)), pause * (0.5 + Math.random() / 2));
    }
  }

  // Missed messages arrive as publications, in which the library leaves out the time.
  #loadTimes() {
    return this.#load(this.#fold, { after: this.#untimed, limit: KEPT }, (page) => {
      this.#untimed = 0;
      this.#fold.after(page.messages.filter((m) => this.#fold.has(m.offset)));
      this.#show();
    });
  }

  #publication(p) {
    const { tags = {}, info } = p;
    switch (tags.event) {
      case 'typing': return this.#types(info);
      case 'mark':
        if (info) this.marks.set(info.user, { read: +tags.read, delivered: +tags.delivered });
        return this.#tell('change');
      case 'join': case 'leave': return this.#tell('members');
      case 'room': return this.#tell('settings', p.data);
      case 'kick': case 'ban': case 'unban': case 'mute': case 'unmute': return this.#tell('settings');
    }
    p = { ...p, tags, time: this.#chat.now() };
    for (const arrived of this.#loads) arrived.push(p);
    if (info) this.#stopTyping(info.user);
    if (this.#stale || p.offset <= this.#top) return; // newest() will load it, or has
    if (!tags.event && !this.atEnd) return this.#tell('change'); // newer() will load it
    this.#fold.apply(p);
    if (tags.event) this.#quoted.apply(p);
    this.#trim();
    if (tags.id && info?.user === this.#chat.user) this.#outbox.discard(tags.id);
    if (!tags.event && info?.user !== this.#chat.user && globalThis.document?.hidden && this.#chat.user)
      this.call('mark', { delivered: p.offset }).catch(() => {});
    this.#show();
  }

  #types(info) {
    if (!info || info.client === this.#chat.client || info.user === this.#chat.user && info.user) return;
    const key = info.user || info.client;
    this.typing.set(key, nameOf(info));
    clearTimeout(this.#timers.get(key));
    this.#timers.set(key, setTimeout(() => this.#stopTyping(key), 5000));
    this.#tell('change');
  }

  #stopTyping(key) {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.typing.delete(key)) this.#tell('change');
  }

  #show() {
    this.messages = this.#fold.list();
    this.#tell('change');
    this.#quote();
  }

  /** A message that another one answers; undefined if it is no longer in the history or not loaded yet. */
  quoted(offset) { return this.#fold.get(offset) ?? this.#quoted.get(offset); }

  // Loads answered messages that are not among the kept ones.
  async #quote() {
    const missing = [...new Set(this.messages.map((m) => m.reply).filter((at) => at && !this.#asked.has(at) && !this.#fold.has(at)))];
    if (!missing.length) return;
    for (const at of missing) this.#asked.add(at);
    try {
      await this.#load(this.#quoted, { offsets: missing }, ({ messages }) => {
        this.#quoted.after(messages);
        if (messages.length) this.#tell('change');
      });
    } catch {
      for (const at of missing) this.#asked.delete(at);
    }
  }

  #tell(type, detail) { if (!this.#closed) this.dispatchEvent(new CustomEvent(type, { detail })); }
}
