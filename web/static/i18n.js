// The page's languages. A string is a text with {names} in it, or a function of
// the values; each language has one file, with the same keys.

import en from './lang/en.js';
import zh from './lang/zh.js';
import { local } from './storage.js';

const languages = { en, zh };
const KEY = 'webim.language';
let current = Object.hasOwn(languages, local.getItem(KEY) ?? '') ? local.getItem(KEY)
  : navigator.languages?.some((l) => l.toLowerCase().startsWith('zh')) && !navigator.languages[0]?.toLowerCase().startsWith('en') ? 'zh' : 'en';

/**
 * The string of a key in the language of now. Each value is put into an isolate of its
 * own, so that a name from right to left does not turn the sentence; say and words
 * (dom.js) make an element of it.
 */
export function t(key, values = {}) {
  const text = languages[current][key] ?? en[key] ?? key;
  const safe = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? value.map(isolated) : isolated(value)]));
  return typeof text === 'function' ? text(safe) : text.replace(/\{(\w+)\}/g, (_, name) => safe[name] ?? '');
}

/** A text in an isolate; a text without letters, such as a number or an emoji, is unchanged. */
function isolated(value) {
  if (typeof value !== 'string' || !/\p{L}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(value)) return value;
  return `\u2068${balanced(value)}\u2069`;
}

// Removes the control characters that would leave the isolate; only complete isolates stay.
function balanced(text) {
  text = text.replace(/[\u202a-\u202e\u2066\u2067]/g, '');
  let depth = 0;
  for (const c of text) {
    if (c === '\u2068') depth++;
    else if (c === '\u2069' && --depth < 0) break;
  }
  return depth === 0 ? text : text.replace(/[\u2068\u2069]/g, '');
}

/** The text of an error: in the reader's language if its code is known, with the server's own text if that says more. */
export function errorText({ code, message } = {}) {
  const known = languages[current][`error${code}`] ?? languages[current][`end${code}`];
  if (!known) return message || String(code ?? '');
  const tells = current === 'en' && (code === 107 || code === 108 || code >= 440 && code < 1000 || code === 106 || code === 111);
  if (tells && message) return message;
  return typeof known === 'string' ? known : '';
}

export const language = () => (current === 'zh' ? 'zh-CN' : 'en');
/** The reader's locale for dates: her own variant of the language. */
export const locale = () => navigator.languages?.find((l) => l.toLowerCase().startsWith(current)) ?? language();
export const changed = new EventTarget();

/** Writes the strings of the document, and lets its select change the language. */
export function start(select) {
  for (const [code, strings] of Object.entries(languages)) select.add(new Option(strings.name, code, false, code === current));
  select.addEventListener('change', () => {
    current = select.value;
    local.setItem(KEY, current);
    write();
    changed.dispatchEvent(new Event('change'));
  });
  write();
}

function write() {
  document.documentElement.lang = language();
  for (const node of document.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const node of document.querySelectorAll('[data-i18n-label]')) {
    node.setAttribute('aria-label', t(node.dataset.i18nLabel));
    if (node.localName === 'button') node.title = t(node.dataset.i18nLabel);
  }
  for (const node of document.querySelectorAll('[data-i18n-placeholder]')) node.placeholder = t(node.dataset.i18nPlaceholder);
}
