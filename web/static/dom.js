// Small helpers for the document. Text is only ever set as textContent, so that
// no text of a user can become markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element: el('button', { class: 'x', onclick: f, 'aria-label': 'y' }, 'text', child). */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((c) => c || c === 0));
  return node;
}

/** Returns an icon of the page, by its name in index.html. */
export function icon(name) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  node.setAttribute('aria-hidden', 'true');
  node.append(use);
  return node;
}

/** Replaces the children of node, changing only the different ones, so that focus and scroll position stay. */
export function reconcile(node, children) {
  let at = node.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else node.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** The nodes of a text: each isolate (U+2068 … U+2069), as t makes them, is a bdi. */
export function words(text) {
  const nodes = [];
  let at = 0, depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\u2068' && depth++ === 0) {
      nodes.push(text.slice(at, i));
      at = i + 1;
    } else if (c === '\u2069' && depth > 0 && --depth === 0) {
      nodes.push(el('bdi', {}, ...words(text.slice(at, i))));
      at = i + 1;
    }
  }
  nodes.push(text.slice(at));
  return nodes.filter((n) => n !== '');
}

const said = new WeakMap(); // the text of a node

/** Writes a text only when it changes, because a screen reader reads it each time. */
export function say(node, text) {
  if (said.get(node) === text && node.hasChildNodes() === (text !== '')) return;
  said.set(node, text);
  node.replaceChildren(...words(text));
}
