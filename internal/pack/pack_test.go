package pack_test

import (
	"bytes"
	"os"
	"testing"

	"exhibit/internal/pack"
)

func verify(t testing.TB, zip []byte, key string, since ...string) *pack.Result {
	t.Helper()
	res, err := pack.Verify(t.Context(), bytes.NewReader(zip), int64(len(zip)), pack.Options{Key: key, Since: since})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func mustBeGood(t testing.TB, res *pack.Result) {
	t.Helper()
	if !res.OK {
		var b bytes.Buffer
		if err := res.Print(&b); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("pack is not good:\n%s", b.String())
	}
}

// A pack of a log in which everything happened verifies with the first key, with
// the last, and with older checkpoints.
func TestRoundTrip(t *testing.T) {
	l := history(t, 1)
	zip, s := l.write(l.params())
	if dir := os.Getenv("KEEP_PACK"); dir != "" {
		if err := os.WriteFile(dir, zip, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{l.keys[0].public, l.keys[1].public, l.keys[2].public} {
		mustBeGood(t, verify(t, zip, key))
	}
	res := verify(t, zip, l.keys[0].public, l.signed[3], l.signed[40], l.signed[len(l.signed)-1])
	mustBeGood(t, res)
	if res.Counts.Events != s.Counts.Events || res.Content != s.Content || res.Counts.Events == 0 {
		t.Errorf("verified %d events with digest %s, wrote %d with %s", res.Counts.Events, res.Content, s.Counts.Events, s.Content)
	}
	if c := s.Counts; c.First == 0 || c.Erased != 2 || c.Refiled != 1 || c.Rejects == 0 || len(c.Absent) != 1 || len(s.Removed) < 2 || c.Cells == 0 {
		t.Errorf("the log's story is not all there: %+v, %d removed", c, len(s.Removed))
	}
}
