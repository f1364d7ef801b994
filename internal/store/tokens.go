package store

import "context"

// AddToken adds what happened to a token; Key holds its id. It is on the disk when
// nil is returned.
func (db *DB) AddToken(ctx context.Context, row StateRow) error {
	return db.addState(ctx, "tokens", "token", row, row.Key[0])
}

// Tokens returns everything that happened to all tokens, of one in order.
func (db *DB) Tokens(ctx context.Context) ([]StateRow, error) {
	return db.states(ctx, "SELECT token, '', number, at, state, body FROM "+db.table("tokens")+" ORDER BY token, number, at, body")
}
