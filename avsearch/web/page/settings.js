// What stays from one visit to the next, in this browser only.

const KEY = "avsearch.settings";
const DEFAULTS = { theme: "system", hover: true, volume: 0.8, keys: true };
const listeners = new Set();

export const settings = { ...DEFAULTS, ...read() };

export function change(changed) {
  Object.assign(settings, changed);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // They hold until the page is closed, then.
  }
  for (const listener of listeners) listener(settings);
}

/** Called now and after each change. */
export function onSettings(listener) {
  listeners.add(listener);
  listener(settings);
}

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(stored).filter(([key, value]) => typeof value === typeof DEFAULTS[key]));
  } catch {
    return {};
  }
}
