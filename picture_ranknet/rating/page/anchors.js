// One picture for each rating that stays beside its key, so that a 4 means the same all day.

export class Anchors {
  /**
   * @param {Map<number, number|string>} ratings - Of rows; watched, not copied.
   * @param {number[]} rows - Those rated last, the oldest first.
   */
  constructor(ratings, rows) {
    this.ratings = ratings;
    this.rows = new Map();
    for (const row of [...rows, ...ratings.keys()]) this.add(row);
  }

  /** The row that stands for a rating, or undefined. */
  of(rating) {
    const row = this.rows.get(rating);
    if (row === undefined || this.ratings.get(row) === rating) return row;
    this.rows.delete(rating);  // it was rated anew
    for (const [other, value] of this.ratings) {
      if (value === rating) {
        this.rows.set(rating, other);
        break;
      }
    }
    return this.rows.get(rating);
  }

  add(row) {
    const rating = this.ratings.get(row);
    if (this.of(rating) === undefined && Number.isInteger(rating)) this.rows.set(rating, row);
  }
}
