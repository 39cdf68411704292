// What stands beside the pictures: how far it is, how fast it goes, what it is good for.
import {showCurve, showHistogram} from './charts.js';
import {$} from './dom.js';
import {session, state} from './state.js';
import {duration, percent} from './words.js';

const PREDICTABLE = .55;  // pair accuracy; below it is close to guessing
const WORTH_SAYING = .005;

/** Show what rate.py said last; counted: how many are done, and of how many, if there is an end. */
export function showProgress(counted) {
  const [done, goal] = counted;
  $('count').textContent = `${done.toLocaleString()}${goal ? ` / ${goal.toLocaleString()}` : ''}`;
  $('count').title = session.mode === 'pairs' ? 'Comparisons' : 'Pictures rated, or not a face';
  const share = goal ? Math.min(1, done / goal) : 1;
  $('progress').firstElementChild.style.width = `${100 * share}%`;
  $('progress').ariaValueNow = String(Math.min(done, goal ?? done));
  $('progress').ariaValueMax = String(goal ?? done);
  $('pace').textContent = sayPace();
  if (session.mode === 'stars') {
    showHistogram($('histogram'), state.spread?.map((n, i) => [i + 1, n]) ?? state.histogram,
                  session.levels);
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
  const accuracy = state.accuracy ?? state.curve.at(-1)?.[1];
  if (accuracy === undefined) return 'Shown after 10 ratings.';
  if (!(state.predictable ?? accuracy >= PREDICTABLE)) {
    return `Not predictable yet: your ratings order ${percent(accuracy)} of pairs correctly. ` +
      'Guessing gets 50\u00a0%.';
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
  const found = state.self_agreement;
  if (!found) return '';
  return `Of ${found.repeats} pictures shown again, you ordered ${percent(found.share)} of pairs ` +
    'the same way.';
}
