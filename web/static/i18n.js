// The page's languages. A string is a text with {names} in it, or a function of
// the values; each language has one file, with the same keys.

import en from './lang/en.js';
import zh from './lang/zh.js';

const languages = { en, zh };
let current = languages[localStorage.getItem('webim.language')] ? localStorage.getItem('webim.language')
  : navigator.languages?.some((l) => l.toLowerCase().startsWith('zh')) && !navigator.languages[0]?.toLowerCase().startsWith('en') ? 'zh' : 'en';

/** The string of a key in the language of now. */
export function t(key, values = {}) {
  const text = languages[current][key] ?? en[key] ?? key;
  return typeof text === 'function' ? text(values) : text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

export const language = () => (current === 'zh' ? 'zh-CN' : 'en');
/** How the reader writes dates: her own variant of the language. */
export const locale = () => navigator.languages?.find((l) => l.toLowerCase().startsWith(current)) ?? language();
export const changed = new EventTarget();

/** Writes the strings of the document, and has its select change them. */
export function start(select) {
  for (const [code, strings] of Object.entries(languages)) select.add(new Option(strings.name, code, false, code === current));
  select.addEventListener('change', () => {
    current = select.value;
    localStorage.setItem('webim.language', current);
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
