// The box for writing messages.

import { $, say } from './dom.js';
import { t } from './i18n.js';
import { isVisible, nameOf } from './chat.js';
import { draftOf, keepDraft } from './drafts.js';
import { excess } from './limits.js';
import { toast } from './menu.js';
import { short, textOf } from './message.js';

const box = $('text');

export class Composer {
  #reply; #edit; #send; #down = false;
  #user = ''; #room = ''; // the user and the room of the draft
  #limits; // of the room, from room.info

  /** send(text, {reply, edit}) is called with a message; type(), while the user writes. */
  constructor({ send, type, editLast }) {
    this.#send = send;
    $('composer').addEventListener('submit', (e) => { e.preventDefault(); this.#submit(); });
    box.addEventListener('keydown', (e) => {
      // While an input method composes, Enter chooses a word. Safari ends the
      // composition before the key: its code is 229 then.
      if (e.isComposing || e.keyCode === 229) return;
      if (e.key === 'Enter' && !e.shiftKey && !e.ctrlKey && !e.altKey && !e.metaKey) {
        e.preventDefault();
        if (!this.#down) this.#submit();
        this.#down = true;
      } else if (e.key === 'Escape' && (this.#reply || this.#edit)) {
        this.end();
      } else if (e.key === 'ArrowUp' && box.value === '') {
        e.preventDefault();
        editLast();
      }
    });
    // While Enter stays down, its repeats write neither a line nor a second message.
    box.addEventListener('beforeinput', (e) => { if (this.#down && e.inputType === 'insertLineBreak') e.preventDefault(); });
    addEventListener('keyup', (e) => { if (e.key === 'Enter') this.#down = false; });
    addEventListener('blur', () => { this.#down = false; });
    box.addEventListener('input', () => { this.#changed(); this.#keep(); if (box.value) type(); });
    addEventListener('pagehide', () => this.#keep());
    $('context-end').addEventListener('click', () => { this.end(); box.focus(); });
  }

  /** Turns to another room: the draft stays with the previous room, also when the page is reloaded. */
  turn(user, room) {
    this.end();
    this.#keep();
    this.#user = user;
    this.#room = room;
    this.#limits = undefined;
    box.value = draftOf(user, room);
    this.#changed();
  }

  // An edit is not a draft.
  #keep() { if (this.#room && !this.#edit) keepDraft(this.#user, this.#room, box.value); }

  /** Restores a text that could not be sent, unless the box has another text already; returns whether it did. */
  putBack(text) {
    if (box.value || this.#edit) return false;
    box.value = text;
    this.#keep();
    this.#changed();
    box.focus();
    return true;
  }

  /** Starts a failed edit again, unless the box has another text already. */
  giveBack(message, text) {
    if (box.value) return;
    this.edit(message);
    box.value = text;
    this.#changed();
  }

  reply(message) {
    this.end();
    this.#reply = message;
    this.#context(t('replyTo', { name: nameOf(message.info) || t('anonymous'), text: short(textOf(message.data)) }));
  }

  edit(message) {
    this.#reply = undefined;
    this.#edit = message;
    box.value = textOf(message.data);
    this.#context(t('editing'));
  }

  /** Ends replying or editing. */
  end() {
    if (this.#edit) box.value = draftOf(this.#user, this.#room);
    this.#reply = this.#edit = undefined;
    $('context').hidden = true;
    this.#changed();
  }

  /** Sets the limits of the room, from room.info. */
  limit(limits) {
    this.#limits = limits;
    this.#changed();
  }

  allow(on, why = '') {
    box.disabled = $('send').disabled = !on;
    box.placeholder = on ? t('yourMessage') : why;
  }

  #context(text) {
    say($('context-text'), text);
    $('context').hidden = false;
    this.#changed();
    box.focus();
  }

  // A text is sent as it is typed, without trailing white space.
  #submit() {
    const text = box.value.trimEnd();
    if (!text) return;
    const wrong = isVisible(text) ? this.#excess(text) : t('nothingSeen');
    if (wrong) return toast(wrong);
    const as = { reply: this.#reply, edit: this.#edit };
    this.end();
    box.value = '';
    this.#keep();
    this.#changed();
    box.focus();
    this.#send(text, as);
  }

  #excess(text) { return excess(text, this.#limits, { reply: this.#reply?.offset, edit: this.#edit?.offset }); }

  // Called after each change of the text in the box, or of its limits.
  #changed() {
    const wrong = this.#excess(box.value.trimEnd());
    say($('excess'), wrong);
    if (wrong) box.setAttribute('aria-invalid', 'true');
    else box.removeAttribute('aria-invalid');
    this.#grow();
  }

  #grow() {
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
  }
}
