package objects_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exhibit/ingest"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// An export of a whole day closes the day when a later one is there or the time for
// it has passed, unless something speaks against it.
func TestExportsCloseDays(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testExportsCloseDays(t, address(t))
		})
	}
}

func testExportsCloseDays(t *testing.T, address string) {
	s := newSite(t, "scalr", address)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	export := func(day int, name string, events ...time.Time) {
		var lines []string
		for i, at := range events {
			lines = append(lines, entry(day*100+i, at))
		}
		s.put(fmt.Sprintf(name, start.AddDate(0, 0, day).Format("2006-01-02")), []byte(strings.Join(lines, "\n")))
	}
	on := func(day int, hour int) time.Time {
		return start.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
	}
	export(0, "scalr-%s.json", on(0, 1), on(0, 23))
	s.at(on(1, 3))
	s.turn()
	s.covered() // the next one is not there, and could still come
	export(1, "scalr-%s.json", on(1, 5))
	s.at(on(2, 3))
	s.turn()
	s.covered("2026-03-01T00:00", "2026-03-02T00:00")
	s.at(on(4, 0)) // two days after the end of the second
	s.turn()
	s.covered("2026-03-01T00:00", "2026-03-03T00:00")
	// The third day has no export: nothing says that it had no events.
	export(3, "scalr-%s.json", on(3, 5))
	s.put("scalr-2026-03-04-part.json.gz", gz(entry(1, on(3, 6)))[:20])
	export(4, "scalr-%s.json", on(4, 5))
	export(5, "scalr-%s.json", on(4, 23), on(5, 5)) // the day of another time zone
	export(6, "scalr-%s.json")                      // a day without events
	s.at(on(12, 0))
	s.turn()
	s.covered("2026-03-01T00:00", "2026-03-03T00:00", "2026-03-05T00:00", "2026-03-06T00:00", "2026-03-07T00:00", "2026-03-08T00:00")
	s.wants(ingest.Alarm, "scalr-2026-03-06.json holds events of other UTC days", "1 objects are damaged")
}

// An archive that is written bit by bit closes a day when it went on being written
// afterwards, and only after the time in which it may be written again.
func TestArchivesCloseDays(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testArchivesCloseDays(t, address(t))
		})
	}
}

func testArchivesCloseDays(t *testing.T, address string) {
	s := newSite(t, "datadog", address)
	log := func(id string, at time.Time) string {
		return fmt.Sprintf(`{"_id":"%s","date":"%s","service":"audit-log","source":"scalr","status":"info","message":"","attributes":%s}`, id, at.Format(time.RFC3339), entry(len(id), at))
	}
	put := func(at time.Time, id string) {
		s.put(at.Format("logs/dt=20060102/hour=15/archive_150405.0000.")+id+".json.gz", gz(log(id, at)+"\n"))
	}
	day := time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC)
	put(day.Add(3*time.Hour), "a")
	put(day.Add(20*time.Hour), "bb")
	s.at(noon())
	s.turn()
	s.covered() // nothing was written afterwards: the archive may have stopped at noon
	// A listing of everything finds what came so late, a listing of the last days what came in time.
	put(day.AddDate(0, 0, 2), "ccc")
	s.at(noon().AddDate(0, 0, 1))
	s.turn()
	s.covered("2026-03-06T00:00", "2026-03-07T00:00")
	put(day.AddDate(0, 0, 3), "dddd")
	put(day.AddDate(0, 0, 5), "eeeee")
	s.at(day.AddDate(0, 0, 6).Add(time.Hour))
	s.turn()
	s.covered("2026-03-06T00:00", "2026-03-07T00:00", "2026-03-09T00:00", "2026-03-10T00:00")
	s.at(noon().AddDate(0, 0, 2))
	s.turn()
	s.covered("2026-03-06T00:00", "2026-03-07T00:00", "2026-03-08T00:00", "2026-03-10T00:00")
	s.wants(ingest.Idle)
	// Another worker sees the same.
	s.restart()
	s.turn()
	s.expect(5, 0, 0, 5, 0)
	if status := s.worker.Status(); status.Requests != 0 {
		t.Errorf("%d objects were read again", status.Requests)
	}
}

// vast is a bucket with very many objects, all of them empty.
type vast struct {
	driver.Bucket
	n      int
	listed int
	read   atomic.Int64 // several at a time
}

func (v *vast) key(i int) string {
	return fmt.Sprintf("exports/%s/%07d.json", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i)*time.Minute).Format("2006/01/02"), i)
}

func (v *vast) ListPaged(_ context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	first := 0
	if len(o.PageToken) > 0 {
		if _, err := fmt.Sscan(string(o.PageToken), &first); err != nil {
			return nil, err
		}
	}
	page := new(driver.ListPage)
	for i := first; i < min(first+1000, v.n); i++ {
		page.Objects = append(page.Objects, &driver.ListObject{Key: v.key(i), ModTime: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute), MD5: []byte{byte(i)}})
		v.listed++
	}
	if first+1000 < v.n {
		page.NextPageToken = fmt.Append(nil, first+1000)
	}
	return page, nil
}

func (v *vast) NewRangeReader(context.Context, string, int64, int64, *driver.ReaderOptions) (driver.Reader, error) {
	v.read.Add(1)
	return empty{strings.NewReader("")}, nil
}

func (v *vast) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (v *vast) As(any) bool                        { return false }
func (v *vast) ErrorAs(error, any) bool            { return false }
func (v *vast) Close() error                       { return nil }

type empty struct{ io.Reader }

func (empty) Close() error                         { return nil }
func (empty) Attributes() *driver.ReaderAttributes { return new(driver.ReaderAttributes) }
func (empty) As(any) bool                          { return false }

// The listing takes the memory of a piece of it, whatever there is in the bucket:
// a million keys with EXHIBIT_SOAK, some thousands without.
func TestMemoryOfListing(t *testing.T) {
	s := newSite(t, "scalr", "file://"+t.TempDir())
	v := &vast{n: soak(3_000, 1_000_000)}
	s.feed.Bucket = blob.NewBucket(v)
	s.restart()
	s.at(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(v.n) * time.Minute))
	peak := watchHeap(t)
	begun := time.Now()
	s.turn()
	first := time.Since(begun)
	head := s.log.Head()
	count := uint64(0)
	for _, b := range head.State.Batches {
		if b.Objects != nil {
			count += b.Objects.Count
		}
	}
	if count != uint64(v.n) || int(v.read.Load()) != v.n {
		t.Errorf("%d objects are in the ledger, %d were read, of %d", count, v.read.Load(), v.n)
	}
	// The same again finds nothing new; a part of it looks at three days only.
	s.restart()
	begun = time.Now()
	s.turn()
	again := time.Since(begun)
	begun = time.Now()
	s.turn()
	t.Logf("%d objects: read in %s, listed again in %s, looked for new ones in %s; heap %d MiB at most", v.n, first, again, time.Since(begun), peak()>>20)
	if n := int(v.read.Load()); n != v.n {
		t.Errorf("%d objects were read again", n-v.n)
	}
	if peak() > 192<<20 {
		t.Errorf("the heap grew to %d MiB", peak()>>20)
	}
}

// watchHeap returns what tells how large the heap became.
func watchHeap(t *testing.T) func() uint64 {
	t.Helper()
	var most uint64
	ask := make(chan chan uint64)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			case to := <-ask:
				to <- most
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() uint64 {
		to := make(chan uint64)
		ask <- to
		return <-to
	}
}
