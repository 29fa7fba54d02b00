// The user's messages that the server does not have yet.

import { ID_LENGTH, wellFormed } from './size.js';

// The key of the unsent messages in storage.
const SAVED = 'webim.outbox';

/**
 * The messages for one room that are being sent. It outlives the Room that shows
 * it: messages written offline are sent when there is a connection, regardless of
 * the room that is open then.
 *
 * Event: 'change'.
 */
export class Outbox extends EventTarget {
  /** {id, text, reply, time, state: 'sending'|'sent'|'failed', error, offset}, the first one first */
  all = [];
  /** whether a sent message must still be shown here; set by the view of the room */
  waits = () => false;
  #deliver; #now; #busy = false;

  /** deliver(message) resolves to its offset, or rejects: with .temporary it is tried again, otherwise it has failed. */
  constructor(deliver, now = Date.now) {
    super();
    this.#deliver = deliver;
    this.#now = now;
  }

  /** Stores the unsent messages of a user, for the next page in this tab. outboxes are pairs of a room and its Outbox. */
  static save(storage, user, outboxes) {
    const rooms = [...outboxes].map(([room, box]) => [room, box.unsent()]).filter(([, all]) => all.length);
    try {
      if (rooms.length) storage?.setItem(SAVED, JSON.stringify({ user, rooms }));
      else storage?.removeItem(SAVED);
    } catch { /* blocked, or full: unsent messages then last as long as the page */ }
  }

  /** Takes the stored messages out of storage: pairs of a room and messages for restore. It returns none if the user is none of users. */
  static saved(storage, users) {
    let all; // other scripts may have written anything there
    try {
      all = JSON.parse(storage?.getItem(SAVED) ?? 'null');
      storage?.removeItem(SAVED);
    } catch { /* blocked, or no JSON */ }
    if (!all?.user || !users.includes(all.user) || !Array.isArray(all.rooms)) return [];
    return all.rooms.filter((one) => Array.isArray(one) && typeof one[0] === 'string' && Array.isArray(one[1]));
  }

  add(text, reply) { this.restore([{ id: newID(), text: wellFormed(text), reply, time: this.#now() }]); }

  /** The messages in a form that another page can restore. */
  unsent() {
    return this.all.filter((m) => m.state !== 'sent').map(({ id, text, reply, time, state, error }) => ({ id, text, reply, time, state, error: error && { code: error.code, message: error.message } }));
  }

  /** Restores the messages of another page; failed ones wait for retry. Anything that is not a message is ignored. */
  restore(messages) {
    this.all.push(...messages.filter(isMessage).map(({ id, text, reply, time, state, error }) => ({
      id, text, reply: Number.isSafeInteger(reply) && reply > 0 ? reply : undefined, time,
      state: state === 'failed' ? 'failed' : 'sending', error: error && { code: error.code, message: String(error.message ?? '') },
    })));
    this.#changed();
    this.#flush();
  }

  /** Sends a failed message again; the same id prevents a duplicate. */
  retry(id) {
    const one = this.all.find((m) => m.id === id);
    if (!one) return;
    one.state = 'sending';
    this.#changed();
    this.#flush();
  }

  discard(id) {
    this.all = this.all.filter((m) => m.id !== id);
    this.#changed();
  }

  /** Removes the sent messages that are no longer shown here. */
  settle() { this.all = this.all.filter((m) => m.state !== 'sent' || this.waits(m)); }

  // Sends in order, one message at a time, until all are sent.
  async #flush() {
    if (this.#busy) return;
    this.#busy = true;
    for (let one; (one = this.all.find((m) => m.state === 'sending'));) {
      try {
        one.offset = await this.#deliver(one);
        one.state = 'sent';
        this.settle();
      } catch (e) {
        if (e.temporary) {
          await new Promise((done) => setTimeout(done, 1000));
        } else {
          one.state = 'failed';
          one.error = e;
        }
      }
      this.#changed();
    }
    this.#busy = false;
  }

  #changed() { this.dispatchEvent(new CustomEvent('change')); }
}

const isMessage = (m) => typeof m?.id === 'string' && m.id.length > 0 && m.id.length <= 64
  && typeof m.text === 'string' && Number.isFinite(m.time) && Math.abs(m.time) < 8.64e15;

// crypto.randomUUID exists only over https and on localhost.
const newID = () => [...crypto.getRandomValues(new Uint8Array(ID_LENGTH / 2))].map((b) => b.toString(16).padStart(2, '0')).join('');
