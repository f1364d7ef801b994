package store_test

import (
	"testing"

	"exhibit/internal/store"
)

func TestTokens(t *testing.T) {
	db := open(t)
	for _, row := range []store.StateRow{
		{Key: [2]string{"b"}, Number: 2, At: day(3), State: "revoked", Body: `{"id":"b","n":2}`},
		{Key: [2]string{"b"}, Number: 0, At: day(1), State: "created", Body: `{"id":"b"}`},
		{Key: [2]string{"a"}, Number: 0, At: day(2), State: "created", Body: `{"id":"a"}`},
		{Key: [2]string{"b"}, Number: 2, At: day(4), State: "revoked", Body: `{"id":"b","n":4}`},
	} {
		if err := db.AddToken(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, row := range rows {
		got += row.Key[0] + " " + row.State + " " + row.At.Format("02") + ", "
	}
	if want := "a created 02, b created 01, b revoked 03, b revoked 04, "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
