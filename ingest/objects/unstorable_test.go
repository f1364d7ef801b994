package objects_test

import (
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// A record that makes an event which cannot be stored is a reject with its bytes: the
// rest of its object is read, and the object is not read again.
func TestUnstorableRecord(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", "file://"+t.TempDir()+"?no_tmp_dir=true")
	storable := s.kind.Normalize
	s.feed.Kind.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := storable(r)
		if strings.Contains(string(r.Raw), "req-2") {
			out[0].Event.Section = "nowhere"
		}
		return out, err
	}
	s.restart()
	at := noon().Add(-time.Hour)
	s.put("a.json", []byte(entry(1, at)+"\n"+entry(2, at)+"\n"+entry(3, at)))
	for range 2 {
		s.turn()
		s.expect(2, 0, 1, 1, 0)
		s.restart()
	}
	var kept []string
	for _, seg := range s.log.Head().State.Batches {
		err := s.db.EachBatchReject(t.Context(), seg.Seq, func(r *event.Reject) error {
			kept = append(kept, r.Reason+": "+r.Raw)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(kept) != 1 || kept[0] != ingest.ReasonUnstorable+": "+entry(2, at) {
		t.Errorf("rejects %q", kept)
	}
}
