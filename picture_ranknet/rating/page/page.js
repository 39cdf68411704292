// The whole page: opens the session, dispatches keys, and polls rate.py.
import {Gone, Replaced, ask, inTurn, isBusy, post, say, watchTrouble} from './api.js';
import {Compare} from './compare.js';
import {areShortcutsOn, fillHelp, isDialogOpen, showEnd, showFrame, showHelp,
        watchEnd} from './dialogs.js';
import {$, el} from './dom.js';
import {pairHelp, starHelp} from './help.js';
import {isCharacter, meaning} from './keys.js';
import {List} from './list.js';
import {fillBar} from './listbar.js';
import {Pairs} from './pairs.js';
import {showProgress} from './progress.js';
import {Stars} from './stars.js';
import {session, setState, state, watchState} from './state.js';
import {showTrouble, tell} from './status.js';
import {watchSwipes} from './swipe.js';
import {followTraining, openTraining, watchTraining} from './training.js';

const HEARTBEAT = 1000;  // ms

let way;             // Stars or Pairs
let list;
let compare;
let isOver = false;  // Finish was pressed
let trouble = null;  // the error that is shown
let isFailing = false;  // rate.py said so in its state

// What goes wrong

function onTrouble(error) {
  trouble = error;
  const remedy = error instanceof Replaced ?
    el('button', {onclick: () => location.reload()}, 'Rate here instead') : null;
  showTrouble(error?.message ?? null, remedy);
  showWhatIsInFront();
  if (error) way?.stage.wait();  // a new view: what was sent may have been lost
}

/** Whether this page can no longer send answers. */
function isGone() {
  return trouble instanceof Gone || trouble instanceof Replaced;
}

/** Poll for news; report at once if rate.py has ended. */
async function listen() {
  if (!isOver && !document.hidden) {
    try {
      const news = await ask('state');
      if (news.window !== session.window) {
        throw new Replaced('These pictures are being rated in another window.');
      }
      if (trouble instanceof Gone) onTrouble(null);
      if (!isBusy() && !isOver) setState(news);
    } catch (error) {
      if (!isOver) onTrouble(error);
    }
  }
  setTimeout(listen, HEARTBEAT);
}

// Keys

function onKey(event) {
  if (isOver || isLeftToControl(event)) return;
  const key = meaning(event);
  if (compare.isOpen) {
    if (key !== null && compare.press(key, event)) event.preventDefault();
    return;
  }
  if (isDialogOpen()) {
    if ($('help').open && key === '?') $('help').close();
    else if ($('frame').open && ['f', 'Enter', ' '].includes(key)) $('frame').close();
    else if (!(event.key === 'Escape' && event.repeat)) return;
    event.preventDefault();
    return;
  }
  if (key === null || (isCharacter(event, key) && !areShortcutsOn())) return;
  if (press(key, event)) event.preventDefault();
}

/** Enter and Space belong to the control that has the focus, all keys to a choice of filters. */
function isLeftToControl(event) {
  const control = event.target.closest?.('button:not(.cell), input, select');
  if (!control) return false;
  if (control.matches('select')) return event.key !== 'Escape';
  const isPress = event.key === 'Enter' || event.key === ' ';
  if (isPress && event.repeat) event.preventDefault();  // a held key presses once
  return isPress;
}

/** Do what a key means; false if it means nothing. */
function press(key, event) {
  if (isGone()) return false;
  if (key === '?') {
    way.forgetDigits?.();
    showHelp();
    return true;
  }
  if (key === 'g') {
    way.forgetDigits?.();
    toggleList();
    return true;
  }
  const here = list.isOpen ? list : way;
  if (key === 't') {
    openTraining();
    return true;
  }
  if (key === 'c' && way.toCompare) {
    compare.open(list.isOpen ? [...list.chosen] : way.toCompare);
    return true;
  }
  if (key === 'f' && list.isOpen && list.hasViews) {
    inTurn(() => list.toggleView('favourites'));
    return true;
  }
  if (key === 'f' && session.has_sources) {
    const row = list.isOpen ? list.at : way.current;
    if (row !== undefined) showFrame(row);
    return true;
  }
  if (here.press(key, event)) return true;
  if (key === 'undo') undo();
  else if (key === 'Escape' && list.isOpen) toggleList();
  else if (key === 'Escape') inTurn(showEnd);
  else return false;
  return true;
}

/** A click leaves no focus behind: Enter would press the same button again. */
function keepFocusFromMouse(event) {
  const button = event.target.closest('button');
  if (!button || button.closest('dialog') || button.matches('.cell')) return;
  event.preventDefault();
  document.activeElement?.blur();
}

// What the header's buttons do

function undo() {
  inTurn(async () => {
    way.undone(await say('undo'));
    if (list.isOpen) await list.load();
  });
}

function toggleList() {
  inTurn(async () => {
    if (list.isOpen) list.close();
    else await list.open(way.current);
  });
}

/** A swipe to the left (-1) goes on, one to the right goes back. */
function swipe(direction, event) {
  if (!isOver) press(direction < 0 ? way.swipeKeys.left : way.swipeKeys.right, event);
}

/** Show what the trained model ranks highest. */
function showModelsRanking() {
  inTurn(async () => {
    if (!list.isOpen) await list.open(way.current);
    if (list.hasViews) await list.applyFilter('model');
  });
}

async function onCompared() {
  if (list.isOpen) await list.load();
  else way.show();
}

/** Make what lies behind the list, or no longer works, unreachable. */
function showWhatIsInFront() {
  for (const id of ['header', 'main']) $(id).inert = isGone() || Boolean(list?.isOpen);
  $('list').inert = isGone();
  document.body.classList.toggle('gone', isGone());
}

function onListToggled() {
  showWhatIsInFront();
  if (list.isOpen) return;
  way.show();
  way.stage.wait();  // the picture comes into sight only now
}

function onState() {
  way.take();
  showProgress(way.progress);
  followTraining();
  const failure = state.error || state.trouble || null;
  if (failure || isFailing) showTrouble(failure);
  isFailing = Boolean(failure);
}

async function start() {
  Object.assign(session, await post('open'));
  document.title = `Rate ${session.title}`;
  document.body.dataset.mode = session.mode;
  $('title').textContent = session.title;
  if (session.mode === 'pairs') $('predicts').textContent = 'Progress of the ranking';
  setState(session.state);
  way = session.mode === 'pairs' ? new Pairs($('stage')) : new Stars($('stage'));
  list = new List($('list'), way);
  compare = new Compare($('compare'), way, () => inTurn(onCompared));
  watchSwipes($('stage').querySelector('.pictures, .choices'), swipe);
  watchTraining(showModelsRanking);
  way.show();
  watchState(onState);
  setState(state);  // takes the first picture
  fillHelp(session.mode === 'pairs' ? pairHelp() : starHelp());
  if (list.hasViews) {
    fillBar(list, rows => compare.open(rows));
    way.sideBySide.onclick = () => compare.open(way.toCompare);
  }
  new MutationObserver(onListToggled).observe($('list'), {attributeFilter: ['hidden']});
  $('open-list').onclick = toggleList;
  $('close-list').onclick = toggleList;
  $('undo').onclick = undo;
  $('open-help').onclick = showHelp;
  $('open-end').onclick = () => inTurn(showEnd);
  watchEnd(() => { isOver = true; });
  document.addEventListener('keydown', onKey);
  document.addEventListener('mousedown', keepFocusFromMouse);
  document.addEventListener('visibilitychange', () => !document.hidden && tell(''));
  setTimeout(listen, HEARTBEAT);
}

watchTrouble(onTrouble);
start().catch(onTrouble);
