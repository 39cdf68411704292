// Communication with rate.py. Answers are sent one by one; each is on disk before the next.
import {session, setState} from './state.js';

const PATIENCE = 10000;  // ms without a sign of life

/** rate.py has ended, or never knew this window. */
export class Gone extends Error {}

/** The pictures are being rated in another window. */
export class Replaced extends Error {}

let line = Promise.resolve();
let nWaiting = 0;
let onTrouble = () => {};

/** Set the watcher for trouble: called with the error, or with null when all is well again. */
export function watchTrouble(watcher) {
  onTrouble = watcher;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Gone('rate.py has ended, or cannot be reached. Everything you rated is saved. ' +
                   'Start it again and open its new address.');
  }
  const answer = await response.json().catch(() => ({}));
  if (answer.restarted) throw new Gone(answer.error);
  if (answer.another_window) throw new Replaced(answer.error);
  if (!response.ok) throw Error(answer.error || `rate.py refused this (${response.status}).`);
  return answer;
}

export function ask(path) {
  return request(path, {signal: AbortSignal.timeout(PATIENCE)});
}

export function post(path, said = {}) {
  return request(path, {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({window: session.window, ...said}),
  });
}

/** Tell rate.py something; on disk when this returns. */
export async function say(path, said) {
  const answer = await post(path, said);
  onTrouble(null);
  setState(answer.state);
  if (answer.ignored) throw Error('Not counted: this had been answered already.');
  return answer;
}

/** Run actions in the order of the calls, each after the previous one is done. */
export function inTurn(action) {
  nWaiting += 1;
  line = line.then(action).catch(onTrouble).finally(() => { nWaiting -= 1; });
  return line;
}

/** Whether an answer is still on its way. */
export function isBusy() {
  return nWaiting > 0;
}
