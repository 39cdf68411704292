// The dialogs: help, whole picture, and end.
import {inTurn, post, say} from './api.js';
import {$, el} from './dom.js';
import {session} from './state.js';
import {showSaved, tell} from './status.js';
import {count, duration} from './words.js';

const MOMENT = 150;  // ms in which Enter cannot be meant for a dialog
const STORED = 'shortcuts';

let openedAt = 0;

/** Whether a dialog is in front of the page. */
export function isDialogOpen() {
  return document.querySelector('dialog[open]') !== null;
}

export function areShortcutsOn() {
  return $('shortcuts').checked;
}

export function fillHelp(help) {
  $('keys').replaceChildren(el('tbody', {}, ...help.map(([keys, what]) => el(
    'tr', {}, el('th', {scope: 'row'}, ...keys.map(key => el('kbd', {}, key))),
    el('td', {}, what)))));
  $('close-help').onclick = () => $('help').close();
  $('shortcuts').checked = recall(STORED) !== 'off';
  $('shortcuts').onchange = () => recall(STORED, areShortcutsOn() ? 'on' : 'off');
}

/** A setting in the browser's local storage, if available. */
function recall(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function showHelp() {
  if (isDialogOpen()) return;
  $('help').showModal();
  $('help').scrollTop = 0;  // the button that has the focus is at its end
}

/** Show the whole picture that a row was cut from, until a key or click. */
export async function showFrame(row) {
  const image = el('img', {src: `frame/${row}`, alt: `The whole picture of ${row}`});
  try {
    await image.decode();
  } catch {
    tell('The picture that this was cropped from does not exist.');
    return;
  }
  $('frame').replaceChildren(image);
  $('frame').onclick = () => $('frame').close();
  if (!isDialogOpen()) $('frame').showModal();
}

export async function showEnd() {
  const {summary} = await say('summary');
  const noun = session.mode === 'pairs' ? 'comparison' : 'rating';
  $('end-title').textContent = summary.said ?
    `${count(summary.said, noun)} in ${duration(summary.seconds)}` :
    summary.rated ? 'No new ratings' : 'No ratings yet';
  $('end-text').replaceChildren(
    el('p', {}, `${summary.rated.toLocaleString()} of ${count(summary.pictures, 'picture')} ` +
       `rated${summary.rejected ? `, ${summary.rejected} not a face` : ''}. ` +
       `Everything is saved in ${session.file}. Stop now, or continue another day.`),
    ...nextStep(summary));
  if (!isDialogOpen()) $('end').showModal();
  openedAt = performance.now();
}

function nextStep(summary) {
  return summary.rated ? [el('p', {}, 'Next: ', el('code', {}, session.next_command))] : [];
}

/** Let the end be chosen; onEnd is called when rate.py has ended. */
export function watchEnd(onEnd) {
  $('go-on').onclick = () => $('end').close();
  $('finish').onclick = event => {
    if (event.timeStamp - openedAt < MOMENT) return;
    inTurn(async () => {
      await post('end');
      onEnd();
      showSaved([...$('end-text').children]);
    });
  };
}
