// Training from the page: starts train.py, follows it, and shows the result.
import {inTurn, say} from './api.js';
import {$, el} from './dom.js';
import {session, state} from './state.js';

const FEWEST = 10;          // ratings
const STEPS = 1000;         // of train.py
const PLOTS = {'ranking.png': 'How well the model ranks', 'loss.png': 'Its loss during training',
               'held_out.png': 'Its ranking of held-out pictures'};

let status = 'none';        // none, running, done, failed
let replaced = [];          // files of an earlier training, which the person knows will be replaced
let startedAt = '';         // distinguishes the plots of one run from those of another

/** Set up the buttons; onRanking shows what the model ranks highest. */
export function watchTraining(onRanking) {
  $('open-training').onclick = openTraining;
  $('train').onclick = () => inTurn(async () => {
    startedAt = String(Date.now());
    const {started} = await say('train', {replace: replaced.length > 0});
    if (started) show({status: 'running', step: 0, lines: [], plots: [], replaces: []});
  });
  $('see-model').onclick = () => {
    $('training').close();
    onRanking();
  };
  $('close-training').onclick = () => $('training').close();
}

/** Open the dialog, if there are enough ratings. */
export function openTraining() {
  if (!session.can_train || $('open-training').hidden) return;
  show({status, step: 0, lines: [], plots: [], replaces: [], ...state.training});
  $('training').showModal();
}

/** Show what rate.py says of it; called with every state. */
export function followTraining() {
  $('open-training').hidden = !session.can_train || state.rated < FEWEST;
  if (state.training && state.training.status !== status) show(state.training);
  else if (state.training && status === 'running') showStep(state.training);
}

function show(training) {
  ({status} = training);
  const isDone = status === 'done';
  const isRunning = status === 'running';
  replaced = training.replaces;
  $('open-training').firstChild.data = {running: 'Training…', done: 'Trained'}[status] ?? 'Train';
  $('training-title').textContent = {
    none: 'Train a model', running: 'Training', done: 'Trained', failed: 'Training failed'}[status];
  $('training-text').replaceChildren(...{
    none: () => [`A model learns your taste from ${state.rated} ratings. The first time this takes ` +
                 'some seconds for each hundred pictures; you can keep rating meanwhile.', ...sayReplaced()],
    running: () => ['You can close this and keep rating.'],
    done: () => ['The model is saved as ', el('code', {}, training.model),
                 '. See which unrated pictures it ranks highest, correct them, and train again.'],
    failed: () => ['train.py said: ', el('code', {}, training.lines.at(-1) ?? 'nothing')],
  }[status]());
  $('plots').replaceChildren(...(isDone ? plots(training.plots) : []));
  $('steps').hidden = !isRunning;
  $('see-model').hidden = !isDone;
  $('train').hidden = isRunning;
  $('train').classList.toggle('strong', !isDone);
  $('train').textContent = replaced.length ? 'Train and replace' :
    isDone || status === 'failed' ? 'Train again' : 'Train';
  if (isRunning) showStep(training);
}

/** Name the files of an earlier training that would be replaced. */
function sayReplaced() {
  if (!replaced.length) return [];
  return [el('br'), 'It replaces the files of an earlier training: ',
          ...replaced.flatMap((name, i) => [i ? ' and ' : '', el('code', {}, name)]), '.'];
}

/** Show the progress; some models are trained without steps. */
function showStep({step}) {
  if (step) $('steps').value = step / STEPS;
  else $('steps').removeAttribute('value');
  $('steps').ariaLabel = step ? `Step ${step} of ${STEPS}` : 'Training';
}

function plots(names) {
  return Object.entries(PLOTS).filter(([name]) => names.includes(name)).map(([name, alt]) => {
    const src = `result/${name}?${startedAt}`;
    return el('a', {href: src, target: '_blank', title: alt}, el('img', {src, alt}));
  });
}
