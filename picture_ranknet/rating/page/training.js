// Training from the page: it starts train.py, follows it, and shows what came out.
import {inTurn, say} from './api.js';
import {$, el} from './dom.js';
import {session, state} from './state.js';

const FEWEST = 10;          // ratings
const STEPS = 1000;         // of train.py
const PLOTS = {'ranking.png': 'How well the model ranks', 'loss.png': 'How its loss fell',
               'held_out.png': 'What it had not learnt from, as it ranks that'};

let status = 'none';        // none, running, done, failed
let replaced = [];          // files of an earlier time, which the person knows to be replaced
let startedAt = '';         // tells the plots of one run from those of another

/** Let training be started; onRanking shows what the model ranks highest. */
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

/** Open the dialog, if there is enough to learn from. */
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
    none: () => [`A model learns your taste from ${state.rated} ratings. The first time that takes ` +
                 'some minutes; you can go on rating meanwhile.', ...sayReplaced()],
    running: () => ['You can close this and go on rating.'],
    done: () => ['The model is saved as ', el('code', {}, training.model),
                 '. See what it ranks highest of what you have not rated, correct that, and ' +
                 'train again.'],
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

/** What is there from an earlier time, and would be replaced. */
function sayReplaced() {
  if (!replaced.length) return [];
  return [el('br'), 'It replaces what an earlier training left: ',
          ...replaced.flatMap((name, i) => [i ? ' and ' : '', el('code', {}, name)]), '.'];
}

/** How far it is; some models are learnt without steps. */
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
