// What one has said and the server has not got yet.

import { ID_LENGTH, wellFormed } from './size.js';

/**
 * The messages for one room that are on their way. It outlives the Room that
 * shows it: what was written offline is sent when there is a connection, whatever
 * is looked at then.
 *
 * Event: 'change'.
 */
export class Outbox extends EventTarget {
  /** {id, text, reply, time, state: 'sending'|'sent'|'failed', error, offset}, the first one first */
  all = [];
  /** whether a sent one is still to be shown here; who shows the room sets it */
  waits = () => false;
  #deliver; #now; #busy = false;

  /** deliver(message) resolves to its offset, or rejects: with .temporary it is tried again, else it has failed. */
  constructor(deliver, now = Date.now) {
    super();
    this.#deliver = deliver;
    this.#now = now;
  }

  add(text, reply) { this.restore([{ id: newID(), text: wellFormed(text), reply, time: this.#now() }]); }

  /** What another page can take up. */
  unsent() {
    return this.all.filter((m) => m.state !== 'sent').map(({ id, text, reply, time, state, error }) => ({ id, text, reply, time, state, error: error && { code: error.code, message: error.message } }));
  }

  /** Takes up what another page has left: what has failed waits for retry. What is no message is left out. */
  restore(messages) {
    this.all.push(...messages.filter(isMessage).map(({ id, text, reply, time, state, error }) => ({
      id, text, reply: Number.isSafeInteger(reply) && reply > 0 ? reply : undefined, time,
      state: state === 'failed' ? 'failed' : 'sending', error: error && { code: error.code, message: String(error.message ?? '') },
    })));
    this.#changed();
    this.#flush();
  }

  /** Tries a failed one again; the same id makes sure that it is not said twice. */
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

  /** Forgets those that are sent and not waited for. */
  settle() { this.all = this.all.filter((m) => m.state !== 'sent' || this.waits(m)); }

  // In order, one at a time, for as long as it takes.
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

// crypto.randomUUID is there over https only, and on localhost.
const newID = () => [...crypto.getRandomValues(new Uint8Array(ID_LENGTH / 2))].map((b) => b.toString(16).padStart(2, '0')).join('');
