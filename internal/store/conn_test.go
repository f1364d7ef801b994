package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"exhibit/internal/engine/enginetest"
	"exhibit/internal/store"
	"exhibit/migrations"
)

// A reader may take longer for an answer than the server may be silent.
func TestSlowReaderGetsTheWholeAnswer(t *testing.T) {
	address := enginetest.Start(t).Address()
	db, err := store.Open(t.Context(), store.Options{Addrs: []string{address.Addr}, Database: enginetest.Database(t),
		User: address.User, Password: address.Password, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	const n = 60
	text := strings.Repeat("x", 1<<20) // a block of the answer holds few of these
	for seq := range uint64(n) {
		if err := db.InsertLedgerRow(t.Context(), fmt.Sprint(seq), store.LedgerRow{Seq: seq, Record: text}); err != nil {
			t.Fatal(err)
		}
	}
	got, began := 0, time.Now()
	err = db.LedgerRows(t.Context(), 0, n, func(store.LedgerRow) error {
		got++
		time.Sleep(60 * time.Millisecond) // the slow reader
		return nil
	})
	if err != nil || got != n {
		t.Errorf("%d of %d rows after %v: %v", got, n, time.Since(began), err)
	}
}
