// The current view: a room, and on narrow screens perhaps a drawer over it. Each view is an entry in
// the browser's history, so that Back returns to the previous one.

import { $ } from './dom.js';

const LOBBY = 'lobby';
const narrow = { rooms: matchMedia('(max-width: 42rem)'), members: matchMedia('(max-width: 64rem)') };

/** The room in the address; '' if there is none. */
export const addressed = () => new URLSearchParams(location.search).get('room') ?? '';

/** Records that a room is shown. Unless first is set, Back returns to the previous room. */
export function went(room, first) {
  const address = room === LOBBY ? location.pathname : `?room=${encodeURIComponent(room)}`;
  if (first || history.state?.drawer) history.replaceState({ room }, '', address); // a drawer's entry becomes the room's
  else history.pushState({ room }, '', address);
}

/** Opens a drawer, 'rooms' or 'members'. */
export function open(drawer) {
  if (!narrow[drawer].matches || document.body.dataset.view === drawer) return;
  if (history.state?.drawer) history.replaceState({ ...history.state, drawer }, '');
  else history.pushState({ ...history.state, drawer }, '');
  show(drawer);
}

/** Closes the drawer that is open. */
export function close() {
  if (document.body.dataset.view === 'room') return;
  show('room');
  if (history.state?.drawer) history.back();
}

/** Shows the room without changing the history; went does that. */
export const closeFor = () => show('room');

// A drawer covers the rest of the page, which is inert meanwhile.
function show(view) {
  const before = document.body.dataset.view;
  if (view === before) return;
  document.body.dataset.view = view;
  $('top').inert = document.querySelector('main').inert = view !== 'room';
  for (const of of ['rooms', 'members']) $(`show-${of}`).setAttribute('aria-expanded', String(of === view));
  if (view !== 'room') $(view).querySelector('.shut').focus();
  else $(`show-${before}`).focus();
}

/** Watches the buttons and Back: turn(room) shows the room that the address names then. */
export function start(turn) {
  for (const drawer of ['rooms', 'members']) $(`show-${drawer}`).addEventListener('click', () => open(drawer));
  for (const button of document.querySelectorAll('.shut')) button.addEventListener('click', close);
  document.body.addEventListener('click', (e) => { if (e.target === document.body) close(); }); // the page under a drawer
  addEventListener('keydown', (e) => { if (e.key === 'Escape') close(); });
  for (const [drawer, width] of Object.entries(narrow)) width.addEventListener('change', () => { if (!width.matches && document.body.dataset.view === drawer) close(); });
  addEventListener('popstate', () => {
    const drawer = history.state?.drawer;
    show(narrow[drawer]?.matches ? drawer : 'room');
    turn(addressed() || LOBBY);
  });
}
