// The page's data in the browser. Storage may be blocked or full, and other scripts may have written
// anything into it. Nothing here throws, and without storage the page keeps its data in memory while
// it is open.

class Store {
  #area; #memory = new Map();

  /** area() returns the Storage of the browser, or throws. */
  constructor(area) {
    try {
      this.#area = area();
    } catch { /* blocked */ }
  }

  /** The string of a key, or null. */
  getItem(key) {
    try {
      return this.#area.getItem(key) ?? this.#memory.get(key) ?? null;
    } catch {
      return this.#memory.get(key) ?? null;
    }
  }

  setItem(key, value) {
    try {
      this.#area.setItem(key, value);
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, value);
      try { this.#area.removeItem(key); } catch { /* blocked: an old value would be wrong */ }
    }
  }

  removeItem(key) {
    this.#memory.delete(key);
    try {
      this.#area.removeItem(key);
    } catch { /* blocked */ }
  }

  /** The object that a key stores as JSON; {} if there is none, or if the value is not an object. */
  object(key) {
    try {
      const value = JSON.parse(this.getItem(key));
      return value && typeof value === 'object' && !Array.isArray(value) ? value : {};
    } catch {
      return {};
    }
  }
}

/** For all tabs, and for this tab alone. */
export const local = new Store(() => localStorage), session = new Store(() => sessionStorage);
