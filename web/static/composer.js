// The box in which one writes.

import { $ } from './dom.js';
import { t } from './i18n.js';
import { nameOf } from './chat.js';
import { short, textOf } from './message.js';

const box = $('text');

export class Composer {
  #reply; #edit; #send; #down = false;
  #room = ''; #drafts = new Map(); // what stands in the box, by room

  /** send(text, {reply, edit}): messages; type(): somebody writes. */
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
    // While Enter stays down nothing more is written: no line, no second message.
    box.addEventListener('beforeinput', (e) => { if (this.#down && e.inputType === 'insertLineBreak') e.preventDefault(); });
    addEventListener('keyup', (e) => { if (e.key === 'Enter') this.#down = false; });
    addEventListener('blur', () => { this.#down = false; });
    box.addEventListener('input', () => { this.#grow(); if (box.value) type(); });
    $('context-end').addEventListener('click', () => { this.end(); box.focus(); });
  }

  /** Turns to another room: what is written for this one stays with it. */
  turn(room) {
    this.end();
    this.#drafts.set(this.#room, box.value);
    this.#room = room;
    box.value = this.#drafts.get(room) ?? '';
    this.#grow();
  }

  /** Edits again what could not be changed, unless something else is written already. */
  giveBack(message, text) {
    if (box.value) return;
    this.edit(message);
    box.value = text;
    this.#grow();
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
    this.#grow();
  }

  /** Ends replying or editing. */
  end() {
    if (this.#edit) box.value = '';
    this.#reply = this.#edit = undefined;
    $('context').hidden = true;
    this.#grow();
  }

  allow(on, why = '') {
    box.disabled = $('send').disabled = !on;
    box.placeholder = on ? t('yourMessage') : why;
  }

  #context(text) {
    $('context-text').textContent = text;
    $('context').hidden = false;
    box.focus();
  }

  #submit() {
    const text = box.value.trim();
    if (!text) return;
    const as = { reply: this.#reply, edit: this.#edit };
    this.end();
    box.value = '';
    this.#grow();
    box.focus();
    this.#send(text, as);
  }

  #grow() {
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
  }
}
