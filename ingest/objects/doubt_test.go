package objects_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/objects"
	"exhibit/ingest/source"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

func directory(t *testing.T) string { return "file://" + t.TempDir() + "?no_tmp_dir=true" }

// silent writes n hours with a digest and no log file.
func (r *trail) silent(start time.Time, n int) {
	for i := range n {
		r.digest(start.Add(time.Duration(i+1) * time.Hour))
	}
}

// at is how tests write a time.
func at(t time.Time) string { return t.Format("2006-01-02T15:04") }

// A chain that was off for days and begins anew does not show that there was nothing
// before, also where a listing of the last day does not show what was before.
func TestChainOffForDays(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	key := trailKey(t)
	start := noon().AddDate(0, 0, -5)
	eu, us := s.trail("eu-central-1", key), s.trail("us-east-1", key)
	eu.silent(start, 5*24-13)
	us.silent(start, 24)
	s.at(noon().Add(-13 * time.Hour))
	s.turn()
	s.covered(at(start), at(start.Add(23*time.Hour)))
	eu.silent(noon().Add(-13*time.Hour), 13)
	us.previous = nil
	us.silent(noon().Add(-12*time.Hour), 12)
	want := []string{at(start), at(start.Add(23 * time.Hour)), at(noon().Add(-11 * time.Hour)), at(noon().Add(-time.Hour))}
	s.at(noon())
	s.turn() // of the last day
	s.covered(want...)
	s.wants(ingest.Alarm, "us-east-1 all_calls_eu-central-1: the chain of digests begins anew at 2026-03-10 00:00Z")
	s.at(noon().Add(time.Minute))
	s.restart()
	s.turn() // of everything
	s.covered(want...)
}

// A chain of which no digest can be used is there, and proves nothing.
func TestChainWithoutProof(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	key := trailKey(t)
	s.feed.Keys = []source.DigestKey{{Fingerprint: "f00d", Key: &key.PublicKey}}
	s.restart()
	s.trail("eu-central-1", key).silent(noon().Add(-6*time.Hour), 6)
	other := s.trail("us-east-1", trailKey(t))
	other.silent(noon().Add(-6*time.Hour), 6)
	for range 2 {
		s.turn()
		s.covered()
		s.wants(ingest.Alarm, "us-east-1 all_calls_eu-central-1: the digest that ends at", "its signature is wrong")
	}
}

// Log files without digests, of a region beside others, prove nothing, and are said.
func TestRegionWithoutDigests(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	start := noon().Add(-12 * time.Hour)
	s.trail("eu-central-1", trailKey(t)).silent(start, 12)
	other := s.trail("us-east-1", trailKey(t))
	other.deliver(start.Add(90*time.Minute), call("1", start.Add(80*time.Minute), "CreateUser"))
	for range 2 {
		s.turn()
		s.covered()
		s.wants(ingest.Alarm, "123456789012 us-east-1: there are log files since 2026-03-10 01:30Z and no digest files")
		s.restart()
	}
	// Validation is switched on later: it does not prove what was before.
	other.files = nil
	other.silent(start.Add(6*time.Hour), 6)
	s.at(noon().Add(time.Minute))
	s.turn()
	s.covered("2026-03-10T06:00", "2026-03-10T11:00")
	s.wants(ingest.Alarm, "there are log files since 2026-03-10 01:30Z and digests since 2026-03-10 06:00Z only")
}

// Log files from before the required time show that there was something to log: a chain
// that begins later does not show that there was nothing until then.
func TestRegionWithDigestsAfterSince(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	start := noon().Add(-12 * time.Hour)
	s.feed.Since = start.Add(2 * time.Hour)
	s.restart()
	s.trail("eu-central-1", trailKey(t)).silent(start, 12)
	other, gone := s.trail("us-east-1", trailKey(t)), s.trail("us-west-2", trailKey(t))
	for _, r := range []*trail{other, gone} {
		r.deliver(start.Add(110*time.Minute), call(r.region, start.Add(100*time.Minute), "CreateUser"))
		r.files = nil
	}
	other.silent(start.Add(6*time.Hour), 6)
	for range 2 {
		s.turn()
		s.covered("2026-03-10T06:00", "2026-03-10T11:00")
		s.wants(ingest.Alarm, "us-east-1: there are log files since 2026-03-10 01:50Z and digests since 2026-03-10 06:00Z only")
		s.restart()
	}
}

// Between a chain that has ended and one that begins nothing is proven, and nothing
// is when all have ended.
func TestNoChainBetween(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	s.feed.Ended = []string{"123456789012 us-east-1 all_calls_eu-central-1"}
	s.restart()
	start := noon().Add(-12 * time.Hour)
	s.trail("us-east-1", trailKey(t)).silent(start, 3)
	s.turn()
	s.covered("2026-03-10T00:00", "2026-03-10T02:00")
	s.trail("eu-central-1", trailKey(t)).silent(start.Add(6*time.Hour), 6)
	s.at(noon().Add(time.Minute))
	s.turn()
	s.covered("2026-03-10T00:00", "2026-03-10T02:00", "2026-03-10T06:00", "2026-03-10T11:00")
	s.wants(ingest.Idle)
}

// A trail that was switched off and on within the hour leaves no gap between digests,
// and a gap in the coverage all the same.
func TestStopLogging(t *testing.T) {
	t.Parallel()
	for name, anew := range map[string]bool{"the chain begins anew": true, "the chain goes on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "aws-cloudtrail", directory(t))
			r := s.trail("eu-central-1", trailKey(t))
			start := noon().Add(-12 * time.Hour)
			r.silent(start, 3)
			stop := strings.Replace(call("stop", start.Add(200*time.Minute), "StopLogging"), "iam.amazonaws", "cloudtrail.amazonaws", 1)
			r.deliver(start.Add(205*time.Minute), call("1", start.Add(190*time.Minute), "CreateUser"), stop)
			r.silent(start.Add(3*time.Hour), 1)
			want := []string{"2026-03-10T00:00", "2026-03-10T03:20", "2026-03-10T06:00", "2026-03-10T11:00"}
			if anew {
				r.previous = nil
				want = []string{"2026-03-10T00:00", "2026-03-10T03:00", "2026-03-10T05:00", "2026-03-10T11:00"}
			}
			r.silent(start.Add(4*time.Hour), 8)
			for range 2 {
				s.turn()
				s.covered(want...)
				s.wants(ingest.Alarm, "switched off at 2026-03-10 03:20Z")
				s.restart()
			}
		})
	}
}

// StopLogging ends the chains of the trail that it names, and no others.
func TestStopLoggingOfOneTrail(t *testing.T) {
	t.Parallel()
	anew := []string{"2026-03-10T00:00", "2026-03-10T03:00", "2026-03-10T05:00", "2026-03-10T11:00"}
	both := []string{"2026-03-10T00:00", "2026-03-10T03:00", "2026-03-10T06:00", "2026-03-10T11:00"}
	for parameters, want := range map[string][]string{
		`{"name":"all_calls"}`: anew,
		`{"name":"arn:aws:cloudtrail:eu-central-1:123456789012:trail/all_calls"}`: anew,
		`{"name":"s"}`:       {"2026-03-10T00:00", "2026-03-10T03:00", "2026-03-10T05:00", "2026-03-10T11:00"}, // of which there are no digests
		`{"name":"data"}`:    both,
		`{"name":"a trail"}`: both, // not the name of one: of all
		`null`:               both,
	} {
		t.Run(parameters, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "aws-cloudtrail", directory(t))
			r, other := s.trail("eu-central-1", trailKey(t)), s.trail("eu-central-1", trailKey(t))
			other.name = "data"
			start := noon().Add(-12 * time.Hour)
			r.silent(start, 3)
			stop := strings.NewReplacer("iam.amazonaws", "cloudtrail.amazonaws", `"awsRegion"`, `"requestParameters":`+parameters+`,"awsRegion"`).
				Replace(call("stop", start.Add(200*time.Minute), "StopLogging"))
			r.deliver(start.Add(205*time.Minute), stop)
			r.silent(start.Add(3*time.Hour), 1)
			r.previous = nil
			r.silent(start.Add(4*time.Hour), 8)
			other.silent(start, 12)
			for range 2 {
				s.turn()
				s.covered(want...)
				s.restart()
			}
		})
	}
}

// Digests that begin anew right after the last one are not one chain.
func TestChainBeginsAnewAdjacent(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	r := s.trail("eu-central-1", trailKey(t))
	start := noon().Add(-12 * time.Hour)
	r.silent(start, 4)
	r.previous = nil
	r.silent(start.Add(4*time.Hour), 8)
	s.turn()
	s.covered("2026-03-10T00:00", "2026-03-10T03:00", "2026-03-10T05:00", "2026-03-10T11:00")
}

// What the first digest before the required time says of log files that are not
// listed is nobody's concern.
func TestDigestsBeforeSince(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	r := s.trail("eu-central-1", trailKey(t))
	since := time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)
	s.feed.Since = since
	s.restart()
	first := day(since).AddDate(0, 0, -1)
	r.silent(first.Add(-3*time.Hour), 3)
	r.deliver(first.Add(-5*time.Minute), call("1", first.Add(-10*time.Minute), "CreateUser")) // named by the digest after midnight
	r.silent(first, int(noon().Sub(first)/time.Hour))
	s.turn()
	s.covered(at(since), at(noon().Add(-time.Hour)))
	s.wants(ingest.Idle)
}

func day(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

// An export in which the log was switched off ends its day, at the first time that
// it says so, and the next one begins with its first event: also when only the store
// knows of it.
func TestExportsAfterOff(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", directory(t))
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	off := func(at time.Time) string {
		return fmt.Sprintf(`{"detail-type":"AuditLogDisabled","source":"aws.partner/scalr.com/x","id":"off-%d","time":"%s","detail":{}}`, at.Unix(), at.Format(time.RFC3339))
	}
	put := func(n int, lines ...string) {
		s.put(fmt.Sprintf("scalr-%s.json", start.AddDate(0, 0, n).Format(time.DateOnly)), []byte(strings.Join(lines, "\n")))
	}
	on := func(n, hour int) time.Time { return start.AddDate(0, 0, n).Add(time.Duration(hour) * time.Hour) }
	put(0, entry(1, on(0, 1)), off(on(0, 10)), entry(2, on(0, 12)), off(on(0, 15)))
	put(1) // still off
	put(2, entry(3, on(2, 7)))
	put(3, entry(4, on(3, 7)))
	s.at(on(6, 3))
	s.turn()
	want := []string{"2026-03-01T00:00", "2026-03-01T10:00", "2026-03-03T07:00", "2026-03-05T00:00"}
	s.covered(want...)
	s.wants(ingest.Alarm, "switched off at 2026-03-01 10:00Z")
	// It is off again; the next listing does not look at that day.
	put(4, entry(5, on(4, 7)), off(on(4, 9)))
	s.at(on(7, 3))
	s.turn()
	put(9, entry(6, on(9, 7)))
	s.at(on(12, 3))
	s.delete("scalr-2026-03-05.json")
	s.restart()
	s.turn()
	s.covered(append(want[:3], "2026-03-05T09:00", "2026-03-10T07:00", "2026-03-11T00:00")...)
}

// archived is a bucket whose first objects can be listed and not be read, all of them
// written on the day after.
type archived struct {
	*vast
	first int
}

func (a *archived) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	page, err := a.vast.ListPaged(ctx, o)
	for _, object := range page.Objects {
		object.ModTime = object.ModTime.AddDate(0, 0, 1)
	}
	return page, err
}

func (a *archived) NewRangeReader(_ context.Context, key string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if key < a.key(a.first) {
		return nil, errors.New("InvalidObjectState")
	}
	return empty{strings.NewReader("")}, nil
}

// Objects that are out of reach do not keep the others from being read, and are said.
func TestArchivedObjects(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", directory(t))
	a := &archived{&vast{n: 7000}, 1800}
	s.feed.Bucket = blob.NewBucket(a)
	s.restart()
	s.at(time.Date(2024, 1, 8, 0, 0, 0, 0, time.UTC))
	if err := s.worker.Turn(t.Context()); err == nil || !strings.Contains(err.Error(), "5 objects could not be read") {
		t.Errorf("the error is %v", err)
	}
	s.wants(ingest.Backoff, "2043 objects were not read", "InvalidObjectState")
	s.expect(0, 0, 0, 7000-2048, 0)
	// The objects of the 3rd are all there, those of the 1st and 2nd are not.
	s.covered("2024-01-03T00:00", "2024-01-06T00:00")
	a.first = 0
	s.restart()
	s.turn()
	s.expect(0, 0, 0, 7000, 0)
	s.covered("2024-01-01T00:00", "2024-01-06T00:00")
	s.wants(ingest.Idle)
}

// A digest that is larger than any can be is not read into memory.
func TestLargeDigest(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", directory(t))
	r := s.trail("eu-central-1", trailKey(t))
	start := noon().Add(-6 * time.Hour)
	r.silent(start, 6)
	s.put(r.digestKey(start.Add(2*time.Hour)), make([]byte, 16<<20+1))
	r.putDigest(r.digestKey(start.Add(4*time.Hour)), make([]byte, 16<<20+1), "") // without compression
	s.turn()
	s.covered("2026-03-10T10:00", "2026-03-10T11:00")
	s.wants(ingest.Alarm, "it has more than 16 MiB", "without compression it has more than 16 MiB")
}

// breaking is a bucket with an object that fills a ledger record but for a few events,
// and one whose reading breaks after some more.
type breaking struct {
	*vast
	first, second string
	broke         func()
}

func (b *breaking) ListPaged(context.Context, *driver.ListOptions) (*driver.ListPage, error) {
	return &driver.ListPage{Objects: []*driver.ListObject{{Key: "1.json", Size: int64(len(b.first)), MD5: []byte{1}}, {Key: "2.json", Size: 1 << 30, MD5: []byte{2}}}}, nil
}

func (b *breaking) NewRangeReader(_ context.Context, key string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if key == "1.json" {
		return empty{strings.NewReader(b.first)}, nil
	}
	return empty{io.MultiReader(strings.NewReader(b.second), b)}, nil
}

func (b *breaking) Read([]byte) (int, error) {
	b.broke()
	return 0, errors.New("the line was cut")
}

// A commit that fails is not taken for a read that fails, also when both do.
func TestCommitFailsWithRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, "scalr", directory(t))
	lines := func(from, to int) string {
		var text strings.Builder
		for i := from; i < to; i++ {
			text.WriteString(entry(i, noon().Add(-time.Duration(i)*time.Second)) + "\n")
		}
		return text.String()
	}
	committer := ingest.NewCommitter(s.log)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { _ = committer.Run(ctx); close(stopped) }()
	s.feed.Bucket = blob.NewBucket(&breaking{&vast{}, lines(0, 32_760), lines(32_760, 32_800), func() { cancel(); <-stopped }})
	w := objects.New(objects.Options{Feed: s.feed, DB: s.db, Log: s.log, Committer: committer, Secret: s.secret, Now: s.clock, Slog: quiet()})
	if err := w.Turn(t.Context()); !errors.Is(err, ingest.ErrStopped) {
		t.Errorf("the error is %v", err)
	}
}
