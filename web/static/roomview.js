// The open room: choosing it, its state, and the reason if the user is out of it.

import { $, say } from './dom.js';
import { errorText, t } from './i18n.js';
import { isGuest, nameOf, otherOf, roomName } from './chat.js';
import { Composer } from './composer.js';
import * as identity from './identity.js';
import { MemberList } from './members.js';
import { failed, toast } from './menu.js';
import { short, textOf } from './message.js';
import { MessageList } from './messages.js';
import { announce } from './news.js';
import { picture } from './picture.js';
import { refresher } from './refresher.js';
import { may, state } from './state.js';
import { moment } from './time.js';
import * as views from './views.js';

const SENT_OUT = 2000, BANNED = 443, TOO_LONG = 445; // codes of the protocol and of webim

let visiting = false; // the room is shown, and not in the user's list
let newest; // messages up to this offset were announced, or existed when the room was opened
let menus;

/** Sets the menus: message(message, button) and member(member, name, button) open them. */
export function useMenus(those) { menus = those; }

export const list = new MessageList({
  menu: (...of) => menus.message(...of),
  react: (m, emoji, remove) => state.room.react(m.offset, emoji, remove).catch(failed),
  retry: (id) => state.room.retry(id),
  rewrite: (m) => { if (composer.putBack(m.text)) state.room.discard(m.id); },
  discard: (id) => state.room.discard(id),
  seen: (offset) => state.room.read(offset),
  nameOf: (user) => state.rooms.nameOf(user),
  isMe: (users) => state.chat.user !== '' && users.includes(state.chat.user),
});
export const members = new MemberList({ menu: (...of) => menus.member(...of), learn: (who) => state.rooms.learn(who) && state.rooms.render(), nameOf: (user) => state.rooms.nameOf(user) });
export const composer = new Composer({
  send: (text, { reply, edit }) => {
    const { room } = state;
    if (edit) return void room.edit(edit.offset, text).catch((e) => { if (room === state.room) composer.giveBack(edit, text); failed(e); });
    list.clearLine();
    room.send(text, reply?.offset);
    list.toNewest();
  },
  type: () => state.room.type(),
  editLast: () => { const m = state.room.messages.findLast((one) => one.info?.user === state.chat.user && state.chat.user && !one.deleted); if (m) composer.edit(m); },
});

/**
 * Shows a room. first: as the page's first one; back: because the address is its
 * already; join: puts it in the list, which an address alone never does.
 */
export async function choose(name, { first = false, back = false, join = true } = {}) {
  const { chat, rooms } = state;
  name = roomName(name);
  if (state.room?.name === name) {
    if (back) return;
    views.close();
    return write();
  }
  let room;
  try {
    room = chat.open(name);
  } catch (e) {
    return failed(e); // the library refuses some names, such as __proto__
  }
  views.closeFor();
  state.room?.close();
  Object.assign(state, { room, info: { may: [] } });
  visiting = false;
  newest = undefined;
  composer.turn(chat.user, name);
  banner('');
  room.addEventListener('change', changed);
  room.addEventListener('members', () => members.refresh());
  room.addEventListener('settings', learn);
  room.addEventListener('gap', () => toast(t('gap')));
  room.addEventListener('left', ({ detail }) => left(room, detail));
  if (!back) views.went(name, first);
  list.show(room, chat);
  members.show(room);
  rooms.select(name);
  heading();
  write();
  if (chat.user && rooms.kindOf(name) === 'public') {
    if (join || name === 'lobby') await keep(room).catch(() => {}); // learn reports a refusal
    else if (!await rooms.has(name) && room === state.room) visiting = true;
  }
  if (room === state.room) learn();
}

/** Puts the open room in the user's list, where it stays. After a temporary error the page offers that again. */
async function keep(room) {
  visiting = false;
  try {
    await state.chat.join(room.name);
  } catch (e) {
    if (room === state.room) visiting = Boolean(e.temporary);
    throw e;
  }
}

$('join').addEventListener('click', () => {
  const { rooms, room } = state;
  keep(room).then(() => rooms.refresh(), failed).finally(learn);
  write();
});

// On a phone, open the keyboard only when the user asks for it.
function write() { if (!matchMedia('(pointer: coarse)').matches) $('text').focus(); }

/** Requests the rights and settings of the user in the open room. */
export const learn = refresher(async () => {
  const { rooms, room } = state;
  if (!room) return;
  try {
    const info = await room.info();
    if (room !== state.room) return;
    state.info = info;
  } catch (e) {
    if (e.code === BANNED || !room.error && !e.temporary) left(room, { code: e.code, reason: e.message, told: true });
    if (room === state.room) throw e;
    return;
  }
  rooms.entitle(room.name, state.info.title);
  composer.limit(state.info.limits);
  if (room.error && !room.error.temporary) return; // the error is shown there
  showRights();
  rooms.refresh();
  heading();
});

function showRights() {
  const { muted, muted_why: why, locked, slow } = state.info;
  const isMuted = muted !== undefined, closed = locked && !may('mute');
  banner(isMuted ? sanctioned('muted', why) : locked ? t('locked') : visiting ? t('visiting') : slow ? t('slowMode', { s: slow }) : '');
  composer.allow(may('send') && !isMuted && !closed, isMuted || closed ? $('banner').textContent : t('silent'));
}

// Tells the user why it is out of the room. The notice of a kick names the moderator; the next call
// reports a ban.
function left(room, { code, reason, told = false }) {
  if (room !== state.room) return;
  if (code === SENT_OUT || code === BANNED && !told) learn(); // the end and the reason of a ban come with room.info
  reason = code === SENT_OUT ? t('sentOut') : code === BANNED ? sanctioned('bannedOut', reason) : errorText({ code, message: reason });
  const words = room.loaded ? t('leftRoom', { reason }) : t('noEntry', { reason });
  composer.allow(false, words);
  banner(words, true);
  state.rooms.refresh();
}

$('again').addEventListener('click', () => {
  banner('');
  state.room.enter();
  learn();
  write();
});

/** The text about a mute or a ban, with the server's sentence, its end and reason. */
function sanctioned(key, sentence = '') {
  const [, until, reason] = /^[^:]*? until (\d{4}-\S+?Z)(?:: ([^]*))?$/.exec(sentence) ?? [undefined, undefined, /^[^:]*: ([^]*)$/.exec(sentence)?.[1]];
  return [t(key), until && t('until', { time: moment(Date.parse(until)) }), reason && t('because', { reason })].filter(Boolean).join(' ');
}

/** Shows a notice above the messages; again: with a button to try joining again. */
function banner(text, again = false) {
  say($('banner'), text);
  $('again').hidden = !again;
  $('join').hidden = !visiting || again;
  $('notice').classList.toggle('empty', !text);
}

/** Shows the names of the open room and of the user. */
export function heading() {
  const { chat, rooms, room } = state;
  if (!room) return;
  const name = chat.name || identity.get().name || rooms.nameOf(chat.user) || t('anonymous');
  say($('heading'), rooms.titleOf(room.name));
  say($('heading-guest'), isGuest(otherOf(room.name, chat.user)) ? t('guest') : '');
  say($('me'), t('you', { name }));
  $('portrait').replaceChildren(picture(chat.user, name));
}

function typing() {
  const names = [...state.room.typing.values()].map((n) => n || t('anonymous'));
  say($('typing'), names.length ? t('typing', { names }) : '');
}

// Called when the room has changed.
function changed(e) {
  const { rooms, room } = state;
  if (e.target !== room) return;
  for (const m of room.messages) rooms.learn(m.info);
  list.render();
  typing();
  tell(room);
  for (const m of room.outbox.filter((one) => one.state === 'failed' && one.error?.code === TOO_LONG)) if (composer.putBack(m.text)) {
    room.discard(m.id);
    toast(errorText(m.error));
  }
  if (room.atEnd) rooms.note(room.name, room.messages.at(-1));
}

// Announces new messages of other users.
function tell(room) {
  const { user } = state.chat;
  const isNews = (m) => m.offset > newest && (!m.info?.user || m.info.user !== user) && !m.deleted;
  if (room.atEnd) announce(room.messages.filter(isNews).map((m) => t('newMessage', { name: nameOf(m.info) || t('anonymous'), text: short(textOf(m.data), 400) })));
  if (room.loaded) newest = room.messages.at(-1)?.offset ?? 0;
}

/** Shows everything in another language. */
export function translate() {
  if (!state.room) return;
  state.rooms.render();
  list.forget();
  list.render();
  members.forget();
  heading();
  typing();
  learn();
}
