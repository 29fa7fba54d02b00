// The state of the page: one object that its parts share.

/** The chat and its list of rooms after the sign-in; the open room and its result of room.info. */
export const state = {
  chat: undefined,
  rooms: undefined,
  room: undefined,
  info: { may: [] },
};

/** Whether the user may do something in the open room. */
export const may = (action) => state.info.may.includes(action);
