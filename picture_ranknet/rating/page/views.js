// Views of the list: selections worth a look, besides the groups of ratings.
import {ask} from './api.js';
import {el} from './dom.js';
import {ratingName} from './words.js';

const VIEWS = {
  favourites: {
    option: 'Your favourites so far', label: 'Not rated, expected best first',
    empty: 'Rate some more to see what you may like best', leaves: true,
    hint: 'Each number is the rating predicted from yours. Rate those that are wrong.'},
  surprises: {
    option: 'Not as expected', label: 'Furthest from the prediction',
    empty: 'Nothing differs by much',
    hint: 'Left your rating, right the one that your others let expect.'},
  duplicates: {
    option: 'Near-duplicates', label: 'Look alike', empty: 'No two look alike',
    hint: 'Choose the pictures of a group, and rate them with one key.'},
  model: {
    option: 'Best by your model', label: 'Not rated, best first',
    empty: 'Nothing is trained yet', leaves: true,
    hint: 'Rate those that are wrong, and train again.'},
};

/** Names and texts of all views. */
export function viewOptions() {
  return Object.entries(VIEWS).map(([name, {option}]) => [name, option]);
}

/** The hint of a view; undefined if there is no such view. */
export function viewHint(name) {
  return VIEWS[name]?.hint;
}

/**
 * The groups of a view.
 *
 * @returns {?object[]} Each with label and rows as the groups of ratings, `expected` (a Map of
 *   rows) and `leaves`: whether a picture that is answered goes. Null for what is no view.
 */
export async function loadView(name) {
  const view = VIEWS[name];
  if (!view) return null;
  const {groups} = await ask(`view/${name}`);
  const full = groups.filter(group => group.length);
  return (full.length ? full : [[]]).map(group => ({
    isView: true, leaves: view.leaves, label: group.length ? view.label : view.empty,
    rows: group.map(([row]) => row), expected: new Map(group)}));
}

/** Your rating, and the one that is expected. */
export function tagsOf(expected, rating) {
  const tag = (kind, text) => el('b', {className: `tag ${kind}`}, text);
  return [...(rating == null ? [] : [tag('own', rating === 'x' ? '×' : ratingName(rating))]),
          ...(expected == null ? [] : [tag('expected', expected.toFixed(1))])];
}
