// The page: it puts the pieces together. What it knows of webim it knows by
// chat.js.

import { $, el, say } from './dom.js';
import * as i18n from './i18n.js';
import { Chat, nameOf } from './chat.js';
import * as connection from './connection.js';
import { RoomList } from './rooms.js';
import { MessageList, textOf } from './messages.js';
import { MemberList } from './members.js';
import { Composer } from './composer.js';
import { ask, failed, menu, toast } from './menu.js';

const { t } = i18n;
const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🎉'];

let chat, rooms, room, info = { may: [] };

const list = new MessageList({
  menu: messageMenu,
  react: (m, emoji, remove) => room.react(m.offset, emoji, remove).catch(failed),
  retry: (id) => room.retry(id),
  discard: (id) => room.discard(id),
  seen: (offset) => room.read(offset),
});
const members = new MemberList({ menu: memberMenu, learn: (who) => rooms.learn(who) && rooms.render(), nameOf: (user) => rooms.nameOf(user) });
const composer = new Composer({
  send: (text, { reply, edit }) => {
    if (edit) return void room.edit(edit.offset, text).catch(failed);
    room.send(text, reply?.offset);
    list.toNewest();
  },
  type: () => room.type(),
  editLast: () => { const m = room.messages.findLast((one) => one.info?.user === chat.user && chat.user && !one.deleted); if (m) composer.edit(m); },
});
const may = (action) => info.may.includes(action);

// In and out.

const store = {
  get: () => { try { return JSON.parse(localStorage.getItem('webim.identity')) ?? {}; } catch { return {}; } },
  set: (identity) => localStorage.setItem('webim.identity', JSON.stringify(identity)),
  clear: () => localStorage.removeItem('webim.identity'),
};

$('entry').addEventListener('submit', (e) => {
  e.preventDefault();
  const token = $('token').value.trim();
  enter(token ? { token } : { name: $('name').value.trim() });
});
$('token').addEventListener('input', () => { $('name').required = !$('token').value.trim(); });
$('sign-out').addEventListener('click', () => { store.clear(); location.assign(location.pathname); });

async function enter({ token, name }) {
  $('entry-fault').textContent = '';
  chat = new Chat({ token, guest: name, storage: sessionStorage });
  connection.watch(chat);
  chat.addEventListener('state', () => chat.state === 'connected' && store.set({ token: chat.token, name }));
  rooms = new RoomList(chat, choose, heading);
  chat.addEventListener('invite', ({ detail }) => toast(t('invited', { by: rooms.nameOf(detail.by), title: detail.title || detail.room })));
  try {
    await chat.connect();
  } catch (e) {
    if (chat.reason?.code === 3500) store.clear();
    $('entry-fault').textContent = $('state').textContent || e.message;
    return;
  }
  $('entry').hidden = true;
  $('room').hidden = $('room-menu').hidden = false;
  document.body.dataset.in = '';
  choose(new URLSearchParams(location.search).get('room') || 'lobby');
}

// Rooms.

async function choose(name) {
  document.body.dataset.view = 'room';
  if (room?.name === name) return void $('text').focus();
  let mine;
  try {
    mine = chat.open(name);
  } catch (e) {
    return failed(e); // the library has no room for some names, as __proto__
  }
  room?.close();
  room = mine;
  info = { may: [] };
  newest = undefined;
  composer.end();
  say($('banner'), '');
  room.addEventListener('change', changed);
  room.addEventListener('members', () => members.refresh());
  room.addEventListener('settings', learn);
  room.addEventListener('gap', () => toast(t('gap')));
  room.addEventListener('left', ({ detail }) => { composer.allow(false); say($('banner'), t('leftRoom', { reason: detail.reason })); rooms.refresh(); });
  history.replaceState(null, '', name === 'lobby' ? location.pathname : `?room=${encodeURIComponent(name)}`);
  list.show(room, chat);
  members.show(room);
  rooms.select(name);
  heading();
  $('text').focus();
  if (chat.user && rooms.kindOf(name) === 'public') await chat.join(name).catch(() => {}); // so that it stays in the list
  if (room === mine) learn();
}

function heading() {
  if (!room) return;
  say($('heading'), rooms.titleOf(room.name));
  say($('me'), t('you', { name: store.get().name || rooms.nameOf(chat.user) || t('anonymous') }));
}

let newest; // what was read aloud, or stood there when the room was opened
function changed(e) {
  if (e.target !== room) return;
  for (const m of room.messages) rooms.learn(m.info);
  list.render();
  const names = [...room.typing.values()].map((n) => n || t('anonymous'));
  say($('typing'), names.length ? t('typing', { names }) : '');
  const last = room.messages.at(-1);
  if (room.atEnd && newest < last?.offset && last.info?.user !== chat.user)
    $('news').textContent = t('newMessage', { name: nameOf(last.info) || t('anonymous'), text: textOf(last.data) });
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
    if (of === room) say($('banner'), e.code ? t('noEntry', { reason: e.message }) : '');
    return;
  }
  const muted = info.muted !== undefined, closed = info.locked && !may('mute');
  say($('banner'), muted ? t('muted') : info.locked ? t('locked') : info.slow ? t('slowMode', { s: info.slow }) : '');
  composer.allow(may('send') && !muted && !closed, $('banner').textContent);
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
    ...(mine || !m.info?.user ? [] : moderation(m.info.user, nameOf(m.info))),
  ]);
}

function memberMenu(m, name, button) {
  const items = m.user === chat.user ? [] : [
    chat.user && { label: t('message'), act: () => chat.direct(m.user).then((r) => choose(r.room)).catch(failed) },
    ...moderation(m.user, name),
  ];
  if (items.some(Boolean)) menu(button, items);
}

function moderation(user, name) {
  const sanction = async (title, call) => {
    const values = await ask(title, [{ name: 'minutes', label: t('minutes'), type: 'number', min: 0, value: '60' }, { name: 'reason', label: t('reason') }], { danger: true });
    if (values) call(room.name, user, { seconds: Math.round(values.minutes * 60), reason: values.reason || undefined }).catch(failed);
  };
  return [
    may('mute') && { label: t('mute'), act: () => sanction(`${t('mute')}: ${name}`, chat.mute.bind(chat)) },
    may('kick') && { label: t('kick'), act: async () => { if (await ask(t('confirmKick', { name }), [], { danger: true })) chat.kick(room.name, user).catch(failed); } },
    may('ban') && { label: t('ban'), danger: true, act: () => sanction(`${t('ban')}: ${name}`, chat.ban.bind(chat)) },
  ];
}

$('room-menu').addEventListener('click', (e) => {
  const set = (values) => room.set(values).catch(failed);
  const question = async (title, field, act) => {
    const values = await ask(title, [field]);
    if (values) act(values[field.name]);
  };
  const items = [
    chat.user && !room.name.startsWith('#') && (rooms.kindOf(room.name) === 'public' || may('manage')) && {
      label: t('invite'), act: () => question(t('invite'), { name: 'user', label: t('user'), required: true }, (user) => chat.invite(room.name, user).catch(failed)),
    },
    may('manage') && { label: t('rename'), act: () => question(t('rename'), { name: 'title', label: t('title'), value: info.title, maxlength: 100 }, (title) => set({ title })) },
    may('manage') && { label: info.locked ? t('unlock') : t('lock'), act: () => set({ locked: !info.locked }) },
    may('manage') && { label: t('slow'), act: () => question(t('slow'), { name: 'slow', label: t('seconds'), type: 'number', min: 0, value: String(info.slow) }, (slow) => set({ slow: +slow })) },
    may('ban') && may('mute') && { label: t('sanctions'), act: showSanctions },
    room.name !== 'lobby' && { label: t('leave'), danger: true, act: leave },
  ];
  if (items.some(Boolean)) menu(e.currentTarget, items);
});

async function showSanctions() {
  const of = room;
  try {
    const { bans, mutes } = await chat.sanctions(of.name);
    const row = (s, lift, label) => {
      const node = el('li', {}, el('bdi', {}, s.ip ?? rooms.nameOf(s.user)), ` · ${label}${s.reason ? ` · ${s.reason}` : ''} `,
        el('button', { type: 'button', onclick: () => lift(of.name, s.user).then(() => node.remove(), failed) }, t('lift')));
      return node;
    };
    const all = [...bans.filter((b) => b.user).map((b) => row(b, chat.unban.bind(chat), t('ban'))), ...mutes.map((m) => row(m, chat.unmute.bind(chat), t('mute')))];
    ask(t('sanctions'), [], { body: el('ul', { class: 'sanctions' }, ...(all.length ? all : [el('li', {}, t('none'))])) });
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

$('add').addEventListener('click', (e) => {
  const create = async (title, fields, act) => {
    const values = await ask(title, fields);
    if (values) act(values).then((r) => { rooms.refresh(); choose(r.room); }).catch(failed);
  };
  menu(e.currentTarget, [
    chat.user && { label: t('newDirect'), act: () => create(t('newDirect'), [{ name: 'user', label: t('user'), required: true }], ({ user }) => chat.direct(user)) },
    chat.user && { label: t('newRoom'), act: () => create(t('newRoom'), [{ name: 'title', label: t('title'), required: true, maxlength: 100 }, { name: 'users', label: t('users') }],
      ({ title, users }) => chat.create(title, { users: users.split(',').map((u) => u.trim()).filter(Boolean) })) },
    chat.user && { label: t('newPublic'), act: () => create(t('newPublic'), [{ name: 'room', label: t('roomName'), required: true }, { name: 'title', label: t('title'), required: true, maxlength: 100 }],
      ({ room: name, title }) => chat.create(title, { room: name })) },
    { label: t('joinRoom'), act: () => create(t('joinRoom'), [{ name: 'room', label: t('roomName'), required: true }], async ({ room: name }) => ({ room: name })) },
  ]);
});

// On narrow screens one thing at a time is shown.
const toggle = (view) => { document.body.dataset.view = document.body.dataset.view === view ? 'room' : view; };
$('show-rooms').addEventListener('click', () => toggle('rooms'));
$('show-members').addEventListener('click', () => toggle('members'));
addEventListener('keydown', (e) => { if (e.key === 'Escape') document.body.dataset.view = 'room'; });
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
  learn();
});

const known = store.get();
if (known.token || known.name) enter(known);
else $('name').focus();
