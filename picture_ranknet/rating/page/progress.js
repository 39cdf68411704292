// What stands beside the pictures: how far it is, how fast it goes, what it is good for.
import {showCurve, showHistogram} from './charts.js';
import {$} from './dom.js';
import {session, state} from './state.js';
import {duration, percent} from './words.js';

const PREDICTABLE = .55;  // pair accuracy; below it is close to guessing
const WORTH_SAYING = .005;

/** Show what rate.py said last; counted: the words for how much is done. */
export function showProgress(counted) {
  const done = session.pictures - state.left;
  $('count').textContent = counted;
  $('progress').firstElementChild.style.width =
    `${100 * Math.min(1, done / session.pictures)}%`;
  $('progress').ariaValueNow = String(done);
  $('progress').ariaValueMax = String(session.pictures);
  $('pace').textContent = sayPace();
  if (session.mode === 'stars') {
    showHistogram($('histogram'), state.histogram, session.levels);
    showCurve($('curve'), state.curve);
  }
  $('prediction').textContent = session.mode === 'stars' ? sayPrediction() : sayOrder();
  $('agreement').textContent = sayAgreement();
  $('agreement').hidden = !$('agreement').textContent;
}

function sayPace() {
  if (!state.pace) return 'Shown after a few answers.';
  const left = state.left ?
    `, ${duration(state.left * state.pace)} for the ${state.left.toLocaleString()} left` : '';
  return `${Math.round(60 / state.pace)} a minute${left}`;
}

function sayPrediction() {
  const accuracy = state.curve.at(-1)?.[1];
  if (accuracy === undefined) return 'Shown after 10 ratings.';
  if (accuracy < PREDICTABLE) {
    return `Not predictable yet: your ratings order ${percent(accuracy)} of the pairs rightly, ` +
      'and guessing 50\u00a0%.';
  }
  const now = `Your ratings predict the better of two pictures in ${percent(accuracy)} of pairs. `;
  if (!state.more || state.gain == null) return now;
  if (state.gain < WORTH_SAYING) return `${now}${state.more} more will hardly change that.`;
  return `${now}${state.more} more may add ${percent(state.gain)}.`;
}

function sayOrder() {
  if (!state.complete) {
    return `${Math.max(1, state.left)} more for a first ranking of all; each comparison after ` +
      'that improves it.';
  }
  return `All pictures are ranked. About ${percent(state.expected_error)} of the pairs are still ` +
    'in the wrong order; go on as long as you like.';
}

/** How far a person agrees with themselves on pictures that were shown twice. */
function sayAgreement() {
  const {agreement} = state;
  if (!agreement?.again) return '';
  return `Of ${agreement.again} shown again you rated ${agreement.same} the same.`;
}
