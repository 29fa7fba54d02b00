// What the page shows: one object that its parts share.

/** chat and its list of rooms, once one is in; the open room and what room.info tells of it. */
export const state = {
  chat: undefined,
  rooms: undefined,
  room: undefined,
  info: { may: [] },
};

/** Whether the user may do something in the open room. */
export const may = (action) => state.info.may.includes(action);
