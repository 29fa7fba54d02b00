// The types of chat.js. webim's package room/chat documents the arguments and results of the
// calls; fields that are not named here have an open type.

/** The error of every rejected promise: a code of the protocol (100–113) or of webim (440–445). */
export class ChatError extends Error {
  code: number;
  temporary: boolean;
}

/** The author of a message, from the server. */
export interface Info { user?: string; client?: string; conn_info?: unknown; connInfo?: unknown }

export interface Message {
  offset: number;
  data: { text?: string; [field: string]: unknown };
  info?: Info;
  /** milliseconds since 1970, by the server's clock */
  time: number;
  id?: string;
  /** the offset of the message that this one answers */
  reply?: number;
  edited?: number;
  deleted?: boolean;
  reactions?: { emoji: string; users: string[]; count: number }[];
}

/** One of the user's own messages that the room does not have yet. */
export interface Unsent {
  id: string;
  text: string;
  reply?: number;
  time: number;
  state: 'sending' | 'sent' | 'failed';
  error?: { code: number; message: string };
  offset?: number;
}

export interface ListedRoom {
  room: string;
  kind: 'public' | 'private' | 'direct';
  title: string;
  unread: number;
  read: number;
  last?: Message;
  role?: string;
  /** the other user of a direct room; online is absent if unknown */
  with?: { user: string; info?: unknown; online?: boolean };
}

export interface Member { user: string; info?: unknown; online?: boolean; role?: string }
/** The limits for messages to a room, from room.info; an absent field means no limit. */
export interface Limits {
  /** bytes of the text, as bytesOf counts them */
  text?: number;
  /** characters (graphemes) of the text */
  characters?: number;
  /** bytes of the message, as sizeOf counts them */
  message?: number;
}
export interface RoomInfo { room: string; kind: string; title: string; locked: boolean; slow: number; may: string[]; muted?: number; muted_why?: string; role?: string; limits?: Limits }
export interface SanctionOptions { seconds?: number; reason?: string }

export interface ChatOptions {
  /** URL of the server's WebSocket endpoint; default: connection/websocket beside chat.js */
  url?: string;
  token?: string;
  /** the name of a guest, without a token or when the server no longer accepts it */
  guest?: string;
  /** is called for a token if there is none, or if it has expired; '' ends the connection with reason.code 1; after a rejection it is called again later */
  getToken?: () => string | Promise<string>;
  /** keeps unsent messages while the page is reloaded */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
}

/** Events: 'state'; 'rooms'; 'invite' (CustomEvent with detail {room, title, by}). */
export class Chat extends EventTarget {
  constructor(options?: ChatOptions);
  readonly state: 'connecting' | 'connected' | 'waiting' | 'ended';
  /** of 'ended' */
  readonly reason: { code: number; reason: string } | null;
  /** of 'waiting': the time of the next try, in milliseconds since 1970 by this device */
  readonly retryAt: number;
  readonly user: string;
  readonly name: string;
  readonly client: string;
  readonly token: string;
  connect(): Promise<unknown>;
  disconnect(): void;
  /** ends the connection and deletes unsent messages */
  forget(): void;
  retry(): void;
  use(token: string): void;
  ready(): Promise<unknown>;
  /** the server's time, in milliseconds since 1970 */
  now(): number;
  call(method: string, data?: object): Promise<any>;
  list(): Promise<ListedRoom[]>;
  create(title: string, options: { room?: string; users?: string[] }): Promise<{ room: string }>;
  direct(user: string): Promise<{ room: string }>;
  join(room: string): Promise<object>;
  leave(room: string): Promise<object>;
  invite(room: string, user: string): Promise<object>;
  kick(room: string | undefined, user: string): Promise<object>;
  ban(room: string | undefined, user: string, options?: SanctionOptions): Promise<object>;
  unban(room: string | undefined, user: string): Promise<object>;
  mute(room: string | undefined, user: string, options?: SanctionOptions): Promise<object>;
  unmute(room: string | undefined, user: string): Promise<object>;
  sanctions(room?: string): Promise<{ bans: object[]; mutes: object[] }>;
  open(room: string): Room;
}

/** The number of messages that a Room keeps, and the number in one page. */
export const KEPT: number, PAGE: number;

/** Events: 'change'; 'members'; 'settings'; 'gap'; 'left' (CustomEvent with detail {code, reason}). Made by Chat.open. */
export class Room extends EventTarget {
  private constructor();
  readonly name: string;
  readonly messages: Message[];
  readonly outbox: Unsent[];
  readonly more: boolean;
  readonly atEnd: boolean;
  readonly loaded: boolean;
  /** why the user is not in the room, or its messages could not be loaded; if it is temporary, that is tried again */
  readonly error: ChatError | null;
  readonly typing: Map<string, string>;
  readonly marks: Map<string, { read: number; delivered: number }>;
  readonly readTo: number;
  send(text: string, reply?: number): void;
  retry(id: string): void;
  discard(id: string): void;
  edit(offset: number, text: string): Promise<{ offset: number }>;
  remove(offset: number): Promise<object>;
  react(offset: number, emoji: string, remove?: boolean): Promise<object>;
  type(): void;
  read(offset: number): void;
  progress(offset: number): 'sent' | 'delivered' | 'read';
  older(): Promise<boolean>;
  newer(): Promise<boolean>;
  newest(): Promise<void>;
  quoted(offset: number): Message | undefined;
  info(): Promise<RoomInfo>;
  members(): Promise<{ members: Member[]; more: boolean; here?: number }>;
  set(settings: { title?: string; locked?: boolean; slow?: number }): Promise<object>;
  call(method: string, data?: object): Promise<any>;
  enter(): void;
  close(): void;
}

/** The display name of an author: the name from the token, or else the id. */
export function nameOf(info?: Info): string;
/** The name from a token; '' if there is none. */
export function givenName(info?: Info): string;
/** A name without the control characters that would reorder the text around it. */
export function plainName(name: string): string;
/** Whether a text has a visible character. */
export function isVisible(text: string): boolean;
export function isGuest(user?: string): boolean;
/** The name of a user's own room. */
export function personalRoom(user: string): string;
/** The other user of a direct room; '' for other rooms. */
export function otherOf(room: string, user: string): string;
/** A room's name as the server spells it. */
export function roomName(name: string): string;

/** The length of a text in bytes of UTF-8. */
export function bytesOf(text: string): number;
/** The bytes of a text as a message that answers the one at the offset reply, or becomes the text of the one at the offset edit. */
export function sizeOf(text: string, as?: { reply?: number; edit?: number }): number;
/** A text with U+FFFD instead of each unpaired surrogate. */
export function wellFormed(text: string): string;
export const ID_LENGTH: number;

/** The internal parts of Chat and Room; they may change. */
export class Fold { private constructor() }
export class Outbox extends EventTarget { private constructor() }
export function asError(e: unknown): ChatError;
