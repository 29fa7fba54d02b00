// The page: signs the user in and out, and connects the parts. It talks to webim only through
// chat.js.

import { $, say } from './dom.js';
import * as i18n from './i18n.js';
import { Chat, isGuest, isVisible } from './chat.js';
import { memberMenu, messageMenu } from './actions.js';
import * as connection from './connection.js';
import { forgetDrafts } from './drafts.js';
import * as identity from './identity.js';
import { ask, toast } from './menu.js';
import { choose, composer, heading, learn, translate, useMenus } from './roomview.js';
import { RoomList } from './rooms.js';
import { state } from './state.js';
import { session } from './storage.js';
import { setClock } from './time.js';
import * as views from './views.js';
import { toldName } from './who.js';

const { errorText, t } = i18n;

useMenus({ message: messageMenu, member: memberMenu });

// Signing in and out.

$('entry').addEventListener('submit', (e) => {
  e.preventDefault();
  const token = $('token').value.trim(), name = $('name').value.trim();
  if (!token && !isVisible(name)) return void say($('entry-fault'), t('nothingSeen'));
  enter(token ? { token } : { name });
});
$('token').addEventListener('input', () => { $('name').required = !$('token').value.trim(); });
$('sign-out').addEventListener('click', async () => {
  if (isGuest(state.chat?.user) && !await ask(t('confirmSignOut'), [], { ok: t('signOut'), danger: true })) return;
  identity.clear();
  out();
});
identity.onSignOut(() => { if (state.chat?.user && !identity.embedded()) out(); });

function out() {
  state.chat?.forget();
  composer.turn('', ''); // otherwise the draft would be saved again when the page is closed
  forgetDrafts();
  location.assign(location.pathname);
}

/** Signs in with a token or as a guest; without both, with a token of the application that embeds the page. Resolves to whether it succeeded. */
async function enter({ token = '', name = '' }) {
  const own = token || name;
  say($('entry-fault'), '');
  state.chat?.disconnect();
  const chat = new Chat({ token, guest: name, storage: session, getToken: () => (own || chat.user ? identity.newToken() : identity.fromApplication()) });
  state.chat = chat;
  setClock(() => chat.now());
  connection.watch(chat, identity.newToken);
  chat.addEventListener('state', () => {
    if (chat.state !== 'connected') return;
    if (own) identity.set({ token: chat.token, name });
    learn(); // rights and limits may have changed meanwhile
  });
  const rooms = state.rooms = new RoomList(chat, choose, heading);
  chat.addEventListener('invite', ({ detail }) => toast(t('invited', { by: toldName(detail.by, rooms.nameOf(detail.by)), title: detail.title || detail.room })));
  try {
    await chat.connect();
  } catch (e) {
    if (chat !== state.chat) return false;
    if (!own && !chat.token) { // no user is signed in at the application
      connection.forget();
      return false;
    }
    if (chat.reason?.code === 3500) identity.clear();
    say($('entry-fault'), chat.reason ? connection.text() : errorText(e));
    return false;
  }
  if (chat !== state.chat) return false;
  $('entry').hidden = true;
  $('room').hidden = $('room-menu').hidden = false;
  $('sign-out').hidden = !own; // otherwise the application signs out
  document.body.dataset.in = '';
  $('self').insertBefore($('language'), $('sign-out')); // on a phone the header has no space for it
  const asked = views.addressed();
  choose(asked || 'lobby', { first: true, join: !asked });
  return true;
}

async function start() {
  if (identity.embedded() && (await enter({}) || state.chat.token)) return;
  const known = identity.get();
  if (known.token || known.name) enter(known);
  else $('name').focus();
}

views.start((name) => { if (state.room) choose(name, { back: true, join: false }); });
document.addEventListener('visibilitychange', () => state.rooms?.render());

i18n.start($('language'));
i18n.changed.addEventListener('change', () => {
  connection.show();
  translate();
});

document.documentElement.setAttribute('data-started', '1'); // old.js
start();
