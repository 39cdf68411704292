// What both ways to rate share: talking to rate.py, keys, help, the end.
import {showCurve, showHistogram} from './charts.js';
import {List} from './list.js';
import {Pairs} from './pairs.js';
import {Stars} from './stars.js';

export const $ = id => document.getElementById(id);

let session;     // what rate.py said when this window was opened
let way;         // Stars or Pairs
let list;
let isOver = false;
let line = Promise.resolve();  // answers go out one after the other

/** Make an element: el('p', {className: 'x'}, 'text', child). */
export function el(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children.filter(child => child != null));
  return element;
}

export function pictureUrl(row, size) {
  return `picture/${size}/${row}`;
}

/** Fetch the pictures that come soon, so that they are there at once. */
export function preload(rows) {
  for (const row of rows) new Image().src = pictureUrl(row, 'large');
}

async function post(path, said = {}) {
  let response;
  try {
    response = await fetch(path, {
      method: 'POST', headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({window: session?.window, ...said}),
    });
  } catch {
    throw Error('rate.py does not answer: what you said until now is saved. Start it again and ' +
                'open its new address.');
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = Error(answer.error || `rate.py refused this (${response.status}).`);
    error.remedy = answer.another_window &&
      el('button', {onclick: () => location.reload()}, 'Rate here instead');
    throw error;
  }
  return answer;
}

/** Tell rate.py something, and show what follows; on disk when this returns. */
export async function say(path, said) {
  const answer = await post(path, said);
  showError(answer.state.error);
  showState(answer.state);
  return answer;
}

/** Do things in the order in which they were asked for, each when the one before is done. */
export function inTurn(action) {
  line = line.then(async () => {
    if (isOver) return;
    try {
      await action();
    } catch (error) {
      showError(error.message, error.remedy);
    }
  });
  return line;
}

export function showError(message, remedy) {
  $('error').replaceChildren(message || '', ' ', remedy || '');
  $('error').hidden = !message;
}

export function showState(state) {
  const done = session.pictures - state.left;
  $('count').textContent = way.progress(state, session);
  const share = Math.min(1, done / session.pictures);
  $('progress').firstElementChild.style.width = `${100 * share}%`;
  $('progress').setAttribute('aria-valuenow', done);
  $('progress').setAttribute('aria-valuemax', session.pictures);
  $('pace').textContent = sayPace(state);
  if (state.histogram) showHistogram($('histogram'), state.histogram, session.levels);
  way.take(state);
  if (session.mode === 'stars') {
    showCurve($('curve'), state.curve);
    $('gain').textContent = sayGain(state);
  } else {
    $('gain').textContent = way.sayError(state);
  }
}

function sayPace(state) {
  if (!state.pace) return 'after a few answers';
  const perMinute = Math.round(60 / state.pace);
  const minutes = Math.ceil(state.left * state.pace / 60);
  const left = state.left ? `, ${sayMinutes(minutes)} for the ${state.left.toLocaleString()} left`
    : '';
  return `${perMinute} a minute${left}`;
}

function sayMinutes(minutes) {
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} hours`;
}

function sayGain(state) {
  if (state.gain == null) return 'After 10 ratings: how well they predict each other.';
  const last = state.curve.at(-1);
  const now = last ? `Of two pictures, your other ratings tell the better one in ` +
    `${percent(last[1])} of all pairs. ` : '';
  if (!state.more) return now;
  if (state.gain < .005) return `${now}Rating ${state.more} more will hardly help.`;
  return `${now}Rating ${state.more} more may add ${percent(state.gain)}.`;
}

export function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}

// Keys

const isOpen = id => $(id).open;

function onKey(event) {
  if (isOver || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.repeat && !['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'].includes(key)) return;
  let isOurs = true;
  if (isOpen('end')) {
    if (key === 'Enter') finish();
    else if (key === 'Escape') $('end').close();
    else isOurs = false;
  } else if (isOpen('help')) {
    if (['Escape', '?', 'Enter'].includes(key)) $('help').close();
    else isOurs = false;
  } else if (key === '?') {
    $('help').showModal();
  } else if (key === 'u' || key === 'Backspace') {
    undo();
  } else if (key === 'g') {
    toggleList();
  } else if (key === 'Escape') {
    if (list.isOpen) toggleList();
    else showEnd();
  } else {
    isOurs = list.isOpen ? list.onKey(key, event) : way.onKey(key);
  }
  if (isOurs) event.preventDefault();
}

function undo() {
  inTurn(async () => {
    const answer = await say('undo');
    way.undone(answer);
    if (list.isOpen) await list.load();
  });
}

function toggleList() {
  inTurn(async () => {
    if (list.isOpen) {
      list.close();
      way.show();
    } else {
      await list.open(way.current);
    }
  });
}

function showEnd() {
  inTurn(async () => {
    const {summary} = await say('summary');
    $('end-title').textContent = summary.said ? `${count(summary.said, 'answer')} in ` +
      `${sayMinutes(Math.max(1, Math.round(summary.seconds / 60)))}` : 'Nothing said yet';
    $('end-text').replaceChildren(
      el('p', {}, `${summary.rated.toLocaleString()} of ${count(summary.pictures, 'picture')} ` +
         `rated${summary.rejected ? `, ${summary.rejected} no face` : ''}. ` +
         `All of it is in ${session.file}: stop now, or go on another day.`),
      el('p', {}, 'Next: ', el('code', {}, `python train.py ${session.title} ${session.file}`)));
    if (!isOpen('end')) $('end').showModal();
  });
}

function count(n, noun) {
  return `${n.toLocaleString()} ${noun}${n === 1 ? '' : 's'}`;
}

function finish() {
  inTurn(async () => {
    await post('end');
    isOver = true;
    $('end-title').textContent = 'Saved';
    $('end-text').replaceChildren(el('p', {}, 'You may close this window.'));
    document.querySelector('#end .choices').remove();
  });
}

async function start() {
  session = await post('open');
  document.title = `Rate ${session.title}`;
  document.body.dataset.mode = session.mode;
  $('title').textContent = session.title;
  way = session.mode === 'pairs' ? new Pairs($('stage'), session) : new Stars($('stage'), session);
  list = new List($('list'), way, session);
  for (const [keys, what] of way.help) {
    $('keys').append(el('tr', {}, el('th', {}, ...keys.map(key => el('kbd', {}, key))),
                        el('td', {}, what)));
  }
  showState(session.state);
  way.show();
  $('open-list').onclick = toggleList;
  $('close-list').onclick = toggleList;
  $('undo').onclick = undo;
  $('open-help').onclick = () => $('help').showModal();
  $('help').querySelector('button').onclick = () => $('help').close();
  $('open-end').onclick = showEnd;
  $('go-on').onclick = () => $('end').close();
  $('finish').onclick = finish;
  document.addEventListener('keydown', onKey);
  for (const button of document.querySelectorAll('button')) button.tabIndex = -1;
  setInterval(refresh, 2000);  // what was thought out meanwhile
}

async function refresh() {
  if (isOver || document.hidden) return;
  const response = await fetch('state').catch(() => null);
  if (response?.ok) inTurn(async () => {
    const state = await response.json();
    if (state.error) showError(state.error);
    if (state.said >= (way.state?.said ?? 0)) showState(state);
  });
}

start().catch(error => showError(error.message, error.remedy));
