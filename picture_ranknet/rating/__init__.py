"""Rating by a person: sessions, what to ask next, the journal, and the page in the browser."""
