// The menus of a message, of a user, of the room, and of news.

import { $, el } from './dom.js';
import { t } from './i18n.js';
import { nameOf } from './chat.js';
import { ask, failed, menu, toast } from './menu.js';
import { textOf } from './message.js';
import * as people from './people.js';
import { picture } from './picture.js';
import { choose, composer } from './roomview.js';
import { may, state } from './state.js';
import { moment } from './time.js';

const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🎉'];

export function messageMenu(m, button) {
  const { chat, room } = state;
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

export function memberMenu(m, name, button) {
  const { chat } = state;
  const items = m.user === chat.user ? [] : [
    chat.user && { label: t('message'), act: () => chat.direct(m.user).then((r) => choose(r.room)).catch(failed) },
    '-',
    ...moderation(m.user, name),
  ];
  menu(button, items);
}

function moderation(user, name) {
  const { chat, room } = state;
  const sanction = async (title, call) => {
    const values = await ask(t('about', { action: title, name }), [{ name: 'minutes', label: t('minutes'), type: 'number', min: 0, value: '60' }, { name: 'reason', label: t('reason') }], { ok: title, danger: true });
    if (values) call(room.name, user, { seconds: Math.round(values.minutes * 60), reason: values.reason || undefined }).catch(failed);
  };
  return [
    may('mute') && { label: t('mute'), act: () => sanction(t('mute'), chat.mute.bind(chat)) },
    may('kick') && { label: t('kick'), act: async () => { if (await ask(t('confirmKick', { name }), [], { ok: t('kick'), danger: true })) chat.kick(room.name, user).catch(failed); } },
    may('ban') && { label: t('ban'), danger: true, act: () => sanction(t('ban'), chat.ban.bind(chat)) },
  ];
}

$('room-menu').addEventListener('click', (e) => {
  const { chat, rooms, room, info } = state; // another room may be open when the user answers a question
  const set = (values) => room.set(values).catch(failed);
  const question = async (title, field, act) => {
    const values = await ask(title, [field]);
    if (values) act(values[field.name]);
  };
  const items = [
    chat.user && !room.name.startsWith('#') && (rooms.kindOf(room.name) === 'public' || may('manage')) && {
      label: t('invite'), act: async () => {
        const known = await people.candidates(chat, room.name, rooms.direct());
        question(t('invite'), somebody(known), async (typed) => {
          const user = await people.resolve(typed, known);
          if (user) chat.invite(room.name, user).then(() => toast(t('invitedThem', { name: rooms.nameOf(user) })), failed);
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

const somebody = (known) => ({ name: 'user', label: t('user'), required: true, maxlength: 255, bytes: 255, among: people.proposals(known) });

async function showSanctions() {
  const { chat, rooms, room } = state;
  try {
    const { bans, mutes } = await chat.sanctions(room.name);
    const row = (s, lift, label) => {
      const node = el('li', {}, s.user && picture(s.user, rooms.nameOf(s.user)),
        el('span', {}, el('bdi', {}, s.ip ?? rooms.nameOf(s.user)), el('small', {}, [label, s.until ? t('until', { time: moment(s.until * 1000) }) : '', s.reason].filter(Boolean).join(' · '))),
        el('button', { type: 'button', onclick: () => lift(room.name, s.user).then(() => node.remove(), failed) }, t('lift')));
      return node;
    };
    const all = [...bans.filter((b) => b.user).map((b) => row(b, chat.unban.bind(chat), t('ban'))), ...mutes.map((m) => row(m, chat.unmute.bind(chat), t('mute')))];
    ask(t('sanctions'), [], { ok: t('close'), cancel: false, body: el('ul', { class: 'sanctions' }, ...(all.length ? all : [el('li', {}, t('none'))])) });
  } catch (e) {
    failed(e);
  }
}

async function leave() {
  const { chat, rooms, room } = state;
  if (!await ask(t('confirmLeave'), [], { ok: t('leave'), danger: true })) return;
  await choose('lobby');
  await chat.leave(room.name).catch(failed);
  rooms.refresh();
}

async function newDirect() {
  const { chat, rooms, room } = state;
  const known = await people.candidates(chat, room.name, rooms.direct());
  const values = await ask(t('newDirect'), [somebody(known)]);
  const user = values && await people.resolve(values.user, known);
  if (user) opened(chat.direct(user));
}

async function newPrivate() {
  const { chat, rooms, room } = state;
  const known = await people.candidates(chat, room.name, rooms.direct());
  const values = await ask(t('newRoom'), [{ name: 'title', label: t('title'), required: true, maxlength: 100 }, { name: 'users', label: t('users'), among: people.proposals(known), maxlength: 2000, bytes: 20_000 }]);
  if (!values) return;
  const users = [];
  for (const typed of values.users.split(/[,，]/).map((u) => u.trim()).filter(Boolean)) {
    const user = await people.resolve(typed, known);
    if (!user) return;
    users.push(user);
  }
  opened(chat.create(values.title, { users }));
}

const opened = (answer) => answer.then((r) => { state.rooms.refresh(); choose(r.room); }).catch(failed);

$('add').addEventListener('click', (e) => {
  const { chat } = state;
  const create = async (title, fields, act) => {
    const values = await ask(title, fields);
    if (values) opened(act(values));
  };
  menu(e.currentTarget, [
    chat.user && { label: t('newDirect'), act: newDirect },
    chat.user && { label: t('newRoom'), act: newPrivate },
    chat.user && { label: t('newPublic'), act: () => create(t('newPublic'), [{ name: 'room', label: t('roomName'), required: true, maxlength: 255, bytes: 255 }, { name: 'title', label: t('title'), required: true, maxlength: 100 }],
      ({ room: name, title }) => chat.create(title, { room: name })) },
    { label: t('joinRoom'), act: () => create(t('joinRoom'), [{ name: 'room', label: t('roomName'), required: true, maxlength: 255, bytes: 255 }], async ({ room: name }) => ({ room: name })) },
  ]);
});
