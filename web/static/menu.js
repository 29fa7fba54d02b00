// Menus and dialogs, for keyboard and pointer.

import { bytesOf } from './chat.js';
import { el, words } from './dom.js';
import { errorText, t } from './i18n.js';

let open; // the open menu: {menu, from}

/** Opens a menu at a button. items: {label, act, danger}, {emojis: [...], act}, '-' between groups; false items are left out. */
export function menu(from, items) {
  close();
  const entry = (label, act, props = {}) => el('button', {
    type: 'button', role: 'menuitem', tabindex: '-1', ...props,
    onclick: () => { close(); act(); },
  }, label);
  const node = el('div', { role: 'menu', class: 'menu', 'aria-label': from.getAttribute('aria-label') ?? from.textContent });
  for (const i of items) {
    if (!i) continue;
    if (i === '-') node.append(el('hr'));
    else if (i.emojis) node.append(el('div', { class: 'emojis', role: 'group', 'aria-label': t('react') }, ...i.emojis.map((e) => entry(e, () => i.act(e), { 'aria-label': `${t('react')} ${e}` }))));
    else node.append(entry(i.label, i.act, { class: i.danger && 'danger' }));
  }
  for (const line of node.querySelectorAll('hr:first-child, hr:last-child, hr + hr')) line.remove();
  if (!node.childElementCount) return;
  (from.closest('header, nav, main, aside') ?? document.body).append(node); // in its landmark
  from.setAttribute('aria-expanded', 'true');
  open = { node, from };
  place(node, from);
  node.querySelector('[role=menuitem]')?.focus();
  node.addEventListener('keydown', move);
  node.addEventListener('focusout', (e) => { if (e.relatedTarget && !node.contains(e.relatedTarget)) close(false); });
}

function place(node, from) {
  const at = from.getBoundingClientRect(), size = node.getBoundingClientRect();
  const left = from.closest('.message:not(.mine), nav') ? at.left : at.right - size.width;
  node.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  node.style.top = `${at.bottom + size.height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
}

function move(e) {
  const all = [...open.node.querySelectorAll('[role=menuitem]')], at = all.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
  if (step) all[(at + step + all.length) % all.length].focus();
  else if (e.key === 'Home') all[0].focus();
  else if (e.key === 'End') all.at(-1).focus();
  else if (e.key === 'Escape' || e.key === 'Tab') close();
  else return;
  e.preventDefault();
  e.stopPropagation();
}

/** Closes the menu, if one is open. */
export function close(focus = true) {
  if (!open) return;
  const { node, from } = open;
  open = undefined;
  node.remove();
  from.removeAttribute('aria-expanded');
  if (focus && from.isConnected) from.focus();
}

addEventListener('pointerdown', (e) => { if (open && !open.node.contains(e.target)) close(false); });
addEventListener('resize', () => close(false));

// If the server limits a field in bytes, the field reports that before the dialog closes and the
// typed text is lost.
const bounded = (most = 200) => ({ currentTarget: input }) => {
  const n = bytesOf(input.value.trim());
  input.setCustomValidity(n > most ? t('tooLarge', { n, most }) : '');
};

/**
 * Asks in a dialog. fields: {name, label, value, type, required, maxlength in UTF-16,
 * bytes (200) of UTF-8, among: [[value, label]] that are proposed}. Resolves to the values by name, or to null.
 */
export function ask(title, fields = [], { ok = t('ok'), cancel = true, danger, body } = {}) {
  return new Promise((done) => {
    const id = `ask-${Math.random().toString(36).slice(2)}`;
    const inputs = fields.map((f) => el('input', { id: `${id}-${f.name}`, name: f.name, type: f.type ?? 'text', required: f.required, min: f.min, maxlength: f.maxlength ?? 200, autocomplete: 'off', value: f.value ?? '', oninput: bounded(f.bytes), list: f.among?.length ? `${id}-${f.name}-among` : undefined }));
    const dialog = el('dialog', { 'aria-labelledby': `${id}-title` },
      el('form', { method: 'dialog' },
        el('h2', { id: `${id}-title` }, ...words(title)),
        body,
        ...fields.flatMap((f, i) => [
          el('label', { for: inputs[i].id }, f.label), inputs[i],
          f.among?.length && el('datalist', { id: `${inputs[i].id}-among` }, ...f.among.map(([value, label]) => el('option', { value }, label)))]),
        el('div', { class: 'buttons' },
          cancel && el('button', { type: 'button', onclick: () => dialog.close() }, t('cancel')),
          el('button', { value: 'ok', class: danger ? 'primary danger' : 'primary' }, ok))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      done(dialog.returnValue === 'ok' ? Object.fromEntries(inputs.map((i) => [i.name, i.value.trim()])) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Shows a text for a few seconds; screen readers read it, too. */
export function toast(text) {
  const node = el('p', { class: 'toast', role: 'alert' }, ...words(text));
  (document.querySelector('dialog[open]') ?? document.body).append(node); // everything outside a dialog is dim and inert
  setTimeout(() => node.remove(), 8000);
}

export const failed = (e) => toast(t('failedCall', { why: errorText(e) }));
