// Where the picture on the stage was cut from: its file, and of a video the frame and the time.
import {ask} from './api.js';
import {el} from './dom.js';
import {session} from './state.js';
import {clock} from './words.js';

export class Origin {
  constructor() {
    this.element = el('p', {className: 'origin', hidden: !session.has_sources});
    this.row = undefined;
  }

  /** Say it of a row, and nothing of undefined. */
  async show(row) {
    if (!session.has_sources || row === this.row) return;
    this.row = row;
    this.element.textContent = this.element.title = '';
    const about = row === undefined ? {} : await ask(`about/${row}`).catch(() => ({}));
    if (this.row !== row || !about.source) return;
    this.element.textContent = inWords(about);
    this.element.title = about.source;
  }
}

function inWords({source, frame, time}) {
  const name = source.split(/[/\\]/).at(-1);
  if (time === null) return name;
  return [name, ...(frame === null ? [] : [`frame ${frame.toLocaleString()}`]), clock(time)]
    .join(' · ');
}
