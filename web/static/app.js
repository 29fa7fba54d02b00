// The page: it puts the pieces together. What it knows of webim it knows by
// chat.js.

import { $, el, say } from './dom.js';
import * as i18n from './i18n.js';
import { Chat, isGuest, isVisible, nameOf, otherOf } from './chat.js';
import { moment, setClock } from './time.js';
import * as identity from './identity.js';
import * as people from './people.js';
import * as views from './views.js';
import { forgetDrafts } from './drafts.js';
import { announce } from './news.js';
import { session } from './storage.js';
import * as connection from './connection.js';
import { RoomList } from './rooms.js';
import { textOf } from './message.js';
import { MessageList } from './messages.js';
import { picture } from './picture.js';
import { MemberList } from './members.js';
import { Composer } from './composer.js';
import { ask, failed, menu, toast } from './menu.js';
import { toldName } from './who.js';

const { errorText, t } = i18n;
const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🎉'];

const SENT_OUT = 2000, BANNED = 443, TOO_LONG = 445; // codes of the protocol's, and of webim's

let chat, rooms, room, info = { may: [] };
let visiting = false; // the room is shown, and not in one's list

const list = new MessageList({
  menu: messageMenu,
  react: (m, emoji, remove) => room.react(m.offset, emoji, remove).catch(failed),
  retry: (id) => room.retry(id),
  rewrite: (m) => { if (composer.putBack(m.text)) room.discard(m.id); },
  discard: (id) => room.discard(id),
  seen: (offset) => room.read(offset),
  nameOf: (user) => rooms.nameOf(user),
  isMe: (users) => chat.user !== '' && users.includes(chat.user),
});
const members = new MemberList({ menu: memberMenu, learn: (who) => rooms.learn(who) && rooms.render(), nameOf: (user) => rooms.nameOf(user) });
const composer = new Composer({
  send: (text, { reply, edit }) => {
    if (edit) return void room.edit(edit.offset, text).catch((e) => { composer.giveBack(edit, text); failed(e); });
    list.clearLine();
    room.send(text, reply?.offset);
    list.toNewest();
  },
  type: () => room.type(),
  editLast: () => { const m = room.messages.findLast((one) => one.info?.user === chat.user && chat.user && !one.deleted); if (m) composer.edit(m); },
});
const may = (action) => info.may.includes(action);

// In and out.

$('entry').addEventListener('submit', (e) => {
  e.preventDefault();
  const token = $('token').value.trim(), name = $('name').value.trim();
  if (!token && !isVisible(name)) return void say($('entry-fault'), t('nothingSeen'));
  enter(token ? { token } : { name });
});
$('token').addEventListener('input', () => { $('name').required = !$('token').value.trim(); });
$('sign-out').addEventListener('click', async () => {
  if (isGuest(chat?.user) && !await ask(t('confirmSignOut'), [], { ok: t('signOut'), danger: true })) return;
  identity.clear();
  forgetDrafts();
  location.assign(location.pathname);
});
identity.onSignOut(() => { if (chat?.user) location.assign(location.pathname); });

async function enter({ token, name }) {
  say($('entry-fault'), '');
  chat = new Chat({ token, guest: name, storage: session, getToken: identity.newToken });
  setClock(() => chat.now());
  connection.watch(chat, identity.newToken);
  chat.addEventListener('state', () => chat.state === 'connected' && identity.set({ token: chat.token, name }));
  rooms = new RoomList(chat, choose, heading);
  chat.addEventListener('invite', ({ detail }) => toast(t('invited', { by: toldName(detail.by, rooms.nameOf(detail.by)), title: detail.title || detail.room })));
  try {
    await chat.connect();
  } catch (e) {
    if (chat.reason?.code === 3500) identity.clear();
    say($('entry-fault'), chat.reason ? connection.text() : errorText(e));
    return;
  }
  $('entry').hidden = true;
  $('room').hidden = $('room-menu').hidden = false;
  document.body.dataset.in = '';
  $('self').insertBefore($('language'), $('sign-out')); // on a phone there is no place for it above
  const asked = views.addressed();
  choose(asked || 'lobby', { first: true, join: !asked });
}

// Rooms.

/**
 * Shows a room. first: as the page's first one; back: because the address is its
 * already; join: puts it in the list, which an address alone never does.
 */
async function choose(name, { first = false, back = false, join = true } = {}) {
  name = name.normalize('NFC');
  if (room?.name === name) {
    if (back) return;
    views.close();
    return write();
  }
  let mine;
  try {
    mine = chat.open(name);
  } catch (e) {
    return failed(e); // the library has no room for some names, as __proto__
  }
  views.closeFor();
  room?.close();
  room = mine;
  visiting = false;
  info = { may: [] };
  newest = undefined;
  composer.turn(chat.user, name);
  banner('');
  room.addEventListener('change', changed);
  room.addEventListener('members', () => members.refresh());
  room.addEventListener('settings', learn);
  room.addEventListener('gap', () => toast(t('gap')));
  room.addEventListener('left', ({ detail }) => left(mine, detail));
  if (!back) views.went(name, first);
  list.show(room, chat);
  members.show(room);
  rooms.select(name);
  heading();
  write();
  if (chat.user && rooms.kindOf(name) === 'public') {
    if (join || name === 'lobby') await chat.join(name).catch(() => {}); // so that it stays in the list; learn says why it may not
    else if (!await rooms.has(name) && room === mine) visiting = true;
  }
  if (room === mine) learn();
}

$('join').addEventListener('click', () => {
  visiting = false;
  chat.join(room.name).then(() => rooms.refresh(), failed).finally(learn);
  write();
});

// On a phone the keyboard comes when it is asked for.
function write() { if (!matchMedia('(pointer: coarse)').matches) $('text').focus(); }

// Who is out is told why. That one was sent out says whoever did it; that one is
// banned, the next call.
function left(of, { code, reason, told = false }) {
  if (of !== room) return;
  if (code === SENT_OUT || code === BANNED && !told) learn(); // the end and the reason of a ban come with room.info
  reason = code === SENT_OUT ? t('sentOut') : code === BANNED ? sanctioned('bannedOut', reason) : errorText({ code, message: reason });
  const words = of.loaded ? t('leftRoom', { reason }) : t('noEntry', { reason });
  composer.allow(false, words);
  banner(words, true);
  rooms.refresh();
}
$('again').addEventListener('click', () => {
  banner('');
  room.enter();
  learn();
  write();
});

/** A mute or a ban, as the server's sentence says it, with its end and reason. */
function sanctioned(key, sentence = '') {
  const [, until, reason] = /^[^:]*? until (\d{4}-\S+?Z)(?:: ([^]*))?$/.exec(sentence) ?? [undefined, undefined, /^[^:]*: ([^]*)$/.exec(sentence)?.[1]];
  return [t(key), until && t('until', { time: moment(Date.parse(until)) }), reason && t('because', { reason })].filter(Boolean).join(' ');
}

/** What is to be known of the room above its messages; again: one may try to come in. */
function banner(text, again = false) {
  say($('banner'), text);
  $('again').hidden = !again;
  $('join').hidden = !visiting || again;
  $('notice').classList.toggle('empty', !text);
}

function heading() {
  if (!room) return;
  const name = chat.name || identity.get().name || rooms.nameOf(chat.user) || t('anonymous');
  say($('heading'), rooms.titleOf(room.name));
  say($('heading-guest'), isGuest(otherOf(room.name, chat.user)) ? t('guest') : '');
  say($('me'), t('you', { name }));
  $('portrait').replaceChildren(picture(chat.user, name));
}

function typing() {
  const names = [...room.typing.values()].map((n) => n || t('anonymous'));
  say($('typing'), names.length ? t('typing', { names }) : '');
}

let newest; // what was read aloud, or stood there when the room was opened
function changed(e) {
  if (e.target !== room) return;
  for (const m of room.messages) rooms.learn(m.info);
  list.render();
  typing();
  const last = room.messages.at(-1);
  if (room.atEnd && newest < last?.offset) announce(room.messages.filter((m) => m.offset > newest && (!m.info?.user || m.info.user !== chat.user) && !m.deleted)
    .map((m) => t('newMessage', { name: nameOf(m.info) || t('anonymous'), text: textOf(m.data) })));
  for (const m of room.outbox.filter((one) => one.state === 'failed' && one.error?.code === TOO_LONG)) if (composer.putBack(m.text)) {
    room.discard(m.id);
    toast(errorText(m.error));
  }
  if (room.loaded) newest = last?.offset ?? 0;
  if (room.atEnd) rooms.note(room.name, last);
}

// What one may do here, and how the room is set.
async function learn() {
  const of = room;
  try {
    const got = await of.info();
    if (of !== room) return;
    info = got;
  } catch (e) {
    if (e.code === BANNED || !of.error && e.code) left(of, { code: e.code, reason: e.message, told: true });
    return;
  }
  if (of.error) return; // what is to be said stands there
  const muted = info.muted !== undefined, closed = info.locked && !may('mute');
  banner(muted ? sanctioned('muted', info.muted_why) : info.locked ? t('locked') : visiting ? t('visiting') : info.slow ? t('slowMode', { s: info.slow }) : '');
  composer.allow(may('send') && !muted && !closed, muted || closed ? $('banner').textContent : t('silent'));
  rooms.refresh();
  heading();
}

// Menus.

function messageMenu(m, button) {
  const mine = m.info?.user ? m.info.user === chat.user : false;
  menu(button, [
    may('send') && { emojis: EMOJIS, act: (emoji) => room.react(m.offset, emoji).catch(failed) },
    may('send') && { label: t('reply'), act: () => composer.reply(m) },
    mine && may('edit_own') && { label: t('edit'), act: () => composer.edit(m) },
    navigator.clipboard && { label: t('copy'), act: () => navigator.clipboard.writeText(textOf(m.data)) },
    (mine ? may('delete_own') || may('delete_any') : may('delete_any')) && {
      label: t('delete'), danger: true,
      act: async () => { if (await ask(t('confirmDelete'), [], { ok: t('delete'), danger: true })) room.remove(m.offset).catch(failed); },
    },
    '-',
    ...(mine || !m.info?.user ? [] : moderation(m.info.user, nameOf(m.info))),
  ]);
}

function memberMenu(m, name, button) {
  const items = m.user === chat.user ? [] : [
    chat.user && { label: t('message'), act: () => chat.direct(m.user).then((r) => choose(r.room)).catch(failed) },
    '-',
    ...moderation(m.user, name),
  ];
  menu(button, items);
}

function moderation(user, name) {
  const of = room;
  const sanction = async (title, call) => {
    const values = await ask(t('about', { action: title, name }), [{ name: 'minutes', label: t('minutes'), type: 'number', min: 0, value: '60' }, { name: 'reason', label: t('reason') }], { ok: title, danger: true });
    if (values) call(of.name, user, { seconds: Math.round(values.minutes * 60), reason: values.reason || undefined }).catch(failed);
  };
  return [
    may('mute') && { label: t('mute'), act: () => sanction(t('mute'), chat.mute.bind(chat)) },
    may('kick') && { label: t('kick'), act: async () => { if (await ask(t('confirmKick', { name }), [], { ok: t('kick'), danger: true })) chat.kick(of.name, user).catch(failed); } },
    may('ban') && { label: t('ban'), danger: true, act: () => sanction(t('ban'), chat.ban.bind(chat)) },
  ];
}

$('room-menu').addEventListener('click', (e) => {
  const of = room; // a question may be answered when another one is open
  const set = (values) => of.set(values).catch(failed);
  const question = async (title, field, act) => {
    const values = await ask(title, [field]);
    if (values) act(values[field.name]);
  };
  const items = [
    chat.user && !room.name.startsWith('#') && (rooms.kindOf(room.name) === 'public' || may('manage')) && {
      label: t('invite'), act: async () => {
        const known = await people.candidates(chat, of.name, rooms.direct());
        question(t('invite'), somebody(known), async (typed) => {
          const user = await people.resolve(typed, known);
          if (user) chat.invite(of.name, user).then(() => toast(t('invitedThem', { name: rooms.nameOf(user) })), failed);
        });
      },
    },
    may('manage') && { label: t('rename'), act: () => question(t('rename'), { name: 'title', label: t('title'), value: info.title, maxlength: 100 }, (title) => set({ title })) },
    may('manage') && { label: info.locked ? t('unlock') : t('lock'), act: () => set({ locked: !info.locked }) },
    may('manage') && { label: t('slow'), act: () => question(t('slow'), { name: 'slow', label: t('seconds'), type: 'number', min: 0, value: String(info.slow) }, (slow) => set({ slow: +slow })) },
    may('ban') && may('mute') && { label: t('sanctions'), act: showSanctions },
    '-',
    room.name !== 'lobby' && { label: t('leave'), danger: true, act: leave },
  ];
  menu(e.currentTarget, items.some((i) => i && i !== '-') ? items : [{ label: t('nothing'), act: () => {} }]);
});

const somebody = (known) => ({ name: 'user', label: t('user'), required: true, among: people.proposals(known) });

async function showSanctions() {
  const of = room;
  try {
    const { bans, mutes } = await chat.sanctions(of.name);
    const row = (s, lift, label) => {
      const node = el('li', {}, s.user && picture(s.user, rooms.nameOf(s.user)),
        el('span', {}, el('bdi', {}, s.ip ?? rooms.nameOf(s.user)), el('small', {}, [label, s.until ? t('until', { time: moment(s.until * 1000) }) : '', s.reason].filter(Boolean).join(' · '))),
        el('button', { type: 'button', onclick: () => lift(of.name, s.user).then(() => node.remove(), failed) }, t('lift')));
      return node;
    };
    const all = [...bans.filter((b) => b.user).map((b) => row(b, chat.unban.bind(chat), t('ban'))), ...mutes.map((m) => row(m, chat.unmute.bind(chat), t('mute')))];
    ask(t('sanctions'), [], { ok: t('close'), cancel: false, body: el('ul', { class: 'sanctions' }, ...(all.length ? all : [el('li', {}, t('none'))])) });
  } catch (e) {
    failed(e);
  }
}

async function leave() {
  if (!await ask(t('confirmLeave'), [], { ok: t('leave'), danger: true })) return;
  const name = room.name;
  await choose('lobby');
  await chat.leave(name).catch(failed);
  rooms.refresh();
}

async function newDirect() {
  const known = await people.candidates(chat, room.name, rooms.direct());
  const values = await ask(t('newDirect'), [somebody(known)]);
  const user = values && await people.resolve(values.user, known);
  if (user) opened(chat.direct(user));
}

async function newPrivate() {
  const known = await people.candidates(chat, room.name, rooms.direct());
  const values = await ask(t('newRoom'), [{ name: 'title', label: t('title'), required: true, maxlength: 100 }, { name: 'users', label: t('users'), among: people.proposals(known), maxlength: 2000 }]);
  if (!values) return;
  const users = [];
  for (const typed of values.users.split(/[,，]/).map((u) => u.trim()).filter(Boolean)) {
    const user = await people.resolve(typed, known);
    if (!user) return;
    users.push(user);
  }
  opened(chat.create(values.title, { users }));
}

const opened = (answer) => answer.then((r) => { rooms.refresh(); choose(r.room); }).catch(failed);

$('add').addEventListener('click', (e) => {
  const create = async (title, fields, act) => {
    const values = await ask(title, fields);
    if (values) opened(act(values));
  };
  menu(e.currentTarget, [
    chat.user && { label: t('newDirect'), act: newDirect },
    chat.user && { label: t('newRoom'), act: newPrivate },
    chat.user && { label: t('newPublic'), act: () => create(t('newPublic'), [{ name: 'room', label: t('roomName'), required: true }, { name: 'title', label: t('title'), required: true, maxlength: 100 }],
      ({ room: name, title }) => chat.create(title, { room: name })) },
    { label: t('joinRoom'), act: () => create(t('joinRoom'), [{ name: 'room', label: t('roomName'), required: true }], async ({ room: name }) => ({ room: name })) },
  ]);
});

views.start((name) => { if (chat && room) choose(name, { back: true, join: false }); });
document.addEventListener('visibilitychange', () => rooms?.render());

i18n.start($('language'));
i18n.changed.addEventListener('change', () => {
  connection.show();
  if (!room) return;
  rooms.render();
  list.forget();
  list.render();
  members.forget();
  heading();
  typing();
  learn();
});

document.documentElement.setAttribute('data-started', '1'); // old.js
const known = identity.get();
if (known.token || known.name) enter(known);
else $('name').focus();
