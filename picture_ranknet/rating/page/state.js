// What rate.py said: once when this window was opened, and after every answer.

export const session = {};  // title, pictures, mode, levels, ratings, trail, file, window
export let state = null;    // rated, left, upcoming, ...
const watchers = [];

export function watchState(watcher) {
  watchers.push(watcher);
}

/** Take a state, unless a later one is known. */
export function setState(newState) {
  if (newState.version < state?.version) return;
  state = newState;
  for (const watcher of watchers) watcher(state);
}
