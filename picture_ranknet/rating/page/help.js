// What the keys do, for the help: pairs of keys and their meaning.
import {session} from './state.js';

export function starHelp() {
  const {levels} = session;
  return [
    [[`1–${Math.min(9, levels)}`], levels > 9 ?
      `rate from 1 (worst) to ${levels} (best); Enter ends a number` :
      `rate from 1 (worst) to ${levels} (best), and move on`],
    [['0', 'Del'], 'clear the rating'], [['x'], 'not a face: leave it out for good'],
    [['Space'], 'skip: show it again later'], [['u', '⌫', 'Ctrl Z'], 'undo, without limit'],
    [['←', '→'], 'the previous picture, the next one; on a touch screen, swipe'],
    [['c'], 'side by side with pictures that you have rated'],
    [['g'], 'all pictures, best first; there f shows your favourites so far'],
    ...(session.can_train ? [[['t'], 'train a model']] : []),
    ...last()];
}

export function pairHelp() {
  return [
    [['1', '←'], 'the left one is better'], [['2', '→'], 'the right one is better'],
    [['↓'], 'cannot tell'],
    [['Space'], 'skip: show this pair later; on a touch screen, swipe to the left'],
    [['x'], 'not a face: then 1 or 2 says which'],
    [['u', '⌫', 'Ctrl Z'], 'undo, without limit'],
    [['g'], 'all pictures, best first'],
    ...(session.can_train ? [[['t'], 'train a model']] : []),
    ...last()];
}

function last() {
  return [...(session.has_sources ? [[['f'], 'the whole picture that this was cropped from']] : []),
          [['Esc'], 'stop; everything is saved']];
}
