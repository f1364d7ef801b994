package demo

import "testing"

func TestOddities(t *testing.T) {
	for i, o := range Oddities(testNow) {
		r, err := ParseRecord(o.Raw)
		if err != nil || r.ID != o.ID || !r.Time.Equal(o.Time) {
			t.Errorf("%d: %s: got %+v, %v", i, o.Raw, r, err)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, raw := range []string{``, `{`, `[]`, `{"id":7}`, `{"id":"x","timestamp":"soon"}`} {
		if r, err := ParseRecord([]byte(raw)); err == nil {
			t.Errorf("%q: got %+v, want an error", raw, r)
		}
	}
}
